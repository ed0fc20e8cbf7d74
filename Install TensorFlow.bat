@echo off
rem Double-click this file: it installs the newest TensorFlow that fits this computer, for you alone, and proves that it works.
rem In a console its arguments are those of tfup:  "Install TensorFlow.bat" plan keras==2.2.4
if not exist "%~dp0installers\windows\start.bat" goto alone
"%~dp0installers\windows\start.bat" %*
:alone
echo error: not-whole
echo This file is alone: the folder "installers" is not beside it.
echo hint: take all files out of the zip (right click, Extract All), and double-click the one in the new folder
pause
exit /b 4
