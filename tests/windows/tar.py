"""Stands in for tar.exe of Windows, which is bsdtar and unpacks zips too: tar -xf ARCHIVE -C FOLDER."""

import sys
import zipfile

_, archive, _, folder = sys.argv[1:]
zipfile.ZipFile(archive).extractall(folder)
