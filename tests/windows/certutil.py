"""Stands in for certutil.exe of Windows, which is a stub in Wine: certutil -hashfile FILE SHA256."""

import hashlib
import sys
from pathlib import Path

_, name, algorithm = sys.argv[1:]
digest = hashlib.new(algorithm, Path(name).read_bytes()).hexdigest()
said = f"{algorithm} hash of {name}:\n{digest}\nCertUtil: -hashfile command completed successfully.\n"
sys.stdout.write(said)
