@echo off
rem The TensorFlow prompt of the start menu: python is the one of the project that was installed, tfup is at hand.
title TensorFlow
set "PATH=%~dp0;%PATH%"
if exist "%CD%\.venv\Scripts\activate.bat" call "%CD%\.venv\Scripts\activate.bat"
if not exist "%CD%\.venv\Scripts\activate.bat" echo There is no environment in "%CD%" yet: type  tfup install
echo python: the one with TensorFlow.  tfup: installs, checks and repairs it.
