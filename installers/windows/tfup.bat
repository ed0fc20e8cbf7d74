@"%~dp0installers\windows\start.bat" %*
