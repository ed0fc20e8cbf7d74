@echo off
rem What "Install TensorFlow.bat" and tfup-setup.exe hand over to: runs tfup in its private environment, made on the first run.
rem Its arguments are those of tfup; without any it installs the newest TensorFlow that fits this machine.
rem cmd alone: no PowerShell, no administrator. Delayed expansion is on only where a value may hold what cmd obeys.
setlocal EnableExtensions DisableDelayedExpansion
set "here=%~dp0"
set "root=%~dp0..\.."
for %%R in ("%root%") do set "root=%%~fR"
set words=%*
call :look_who_asks
if defined clicked call :enter_clone || goto end
call :find_cache
call :begin_log || goto end
call :find_environment || call "%here%make.bat" || goto end
"%python%" -I "%here%run.py" %*
set "code=%errorlevel%"

:end
if defined clicked call :stay
exit /b %code%

rem ------------------------------------------------------------ who asks

:look_who_asks
rem Explorer starts cmd with /c and the file as its last word. Then nobody sees a window that closes, so it stays.
set "clicked="
set "json="
setlocal EnableDelayedExpansion
set "line=!cmdcmdline!"
if defined words if not "!words:--json=!"=="!words!" set "json=yes"
if not defined words if not defined CI if defined line if not "!line:/c=!"=="!line!" if not "!line:.bat=!"=="!line!" set "clicked=yes"
endlocal & set "clicked=%clicked%" & set "json=%json%"
exit /b 0

:enter_clone
rem A clone on \\server\share gets a drive letter: cmd cannot work in such a folder, and would be in that of Windows.
pushd "%root%" 2>nul || goto no_folder
set "root=%CD%"
set "here=%CD%\installers\windows\"
exit /b 0
:no_folder
set "code=4"
echo error: unusable-folder
echo This folder cannot be worked in: "%root%"
echo hint: copy it to a folder on this computer, such as Documents, and double-click again
exit /b 4

:stay
echo.
if exist "%USERPROFILE%\tensorflow\.tfup\logs\" echo logs: "%USERPROFILE%\tensorflow\.tfup\logs"
if exist "%log%" echo log of this run: "%log%"
echo Press any key to close this window.
pause >nul
popd
exit /b 0

rem ------------------------------------------------------------ our folder

:find_cache
rem As tfup itself does. What tfup-setup.exe installed keeps everything beside itself, so that it can be removed.
set "cache=%USERPROFILE%\.cache\tfup"
if defined XDG_CACHE_HOME set "cache=%XDG_CACHE_HOME%\tfup"
if exist "%root%\carried\uv.exe" set "cache=%root%\cache"
if defined TFUP_CACHE_DIR for %%C in ("%TFUP_CACHE_DIR%") do set "cache=%%~fC"
if not exist "%root%\carried\uv.exe" exit /b 0
set "TFUP_CACHE_DIR=%cache%"
set "TFUP_UV=%root%\carried\uv.exe"
if not defined UV_CACHE_DIR set "UV_CACHE_DIR=%cache%\uv"
if not defined UV_PYTHON_INSTALL_DIR set "UV_PYTHON_INSTALL_DIR=%root%\python"
set "UV_PYTHON_INSTALL_REGISTRY=0"
exit /b 0

:begin_log
if not exist "%cache%\" mkdir "%cache%" 2>nul && call :tag_cache
set "log=%cache%\start.log"
if exist "%log%" move /y "%log%" "%cache%\start.old.log" >nul 2>nul
if defined clicked if not defined TFUP_TRANSCRIPT set "TFUP_TRANSCRIPT=%log%"
if exist "%root%\carried\uv.exe" if not defined TFUP_TRANSCRIPT set "TFUP_TRANSCRIPT=%log%"
(echo %date% %time% tfup)>"%log%" 2>nul && exit /b 0
set "code=4"
set "log="
if defined json goto no_cache_json
echo error: unusable-cache
echo The folder for what tfup itself needs cannot be written: "%cache%"
echo hint: set TFUP_CACHE_DIR=FOLDER, one that you may write, and start again
exit /b 4
:no_cache_json
setlocal EnableDelayedExpansion
echo {"schema": 1, "error": {"reference": "unusable-cache", "sentence": "The folder for what tfup itself needs cannot be written.", "needs": {"folder": "one that can be written"}, "found": {"folder": "!cache:\=\\!"}, "hint": "set TFUP_CACHE_DIR=FOLDER", "exit_code": 4, "log": null}}
exit /b 4

:tag_cache
rem Marks the folder as ours: folders.py says what it means, and has the same text.
(echo Signature: 8a477f597d28d172789f06886806bc55)>"%cache%\CACHEDIR.TAG"
(echo # The cache of tfup, which makes it anew as needed; it is removed by: tfup clean)>>"%cache%\CACHEDIR.TAG"
exit /b 0

:find_environment
rem Its name has the size of what it was made from; fits.py compares the rest, and misses what an antivirus took away.
set "pins=%root%\requirements\tfup.txt"
for %%F in ("%pins%") do set "place=%cache%\environment-%%~zF"
set "python=%place%\Scripts\python.exe"
if not exist "%python%" exit /b 1
"%python%" -I "%here%fits.py" "%pins%" >>"%log%" 2>&1
exit /b %errorlevel%
