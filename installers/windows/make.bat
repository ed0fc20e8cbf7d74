rem Makes the private environment of tfup; start.bat calls this, and has set here, root, cache, log, pins, place and python.
rem It is made in a folder of this run, the workshop, and takes its place by one rename: it is whole or not there.
set "code=4"
set "needs="
set "full="
set "workshop=%cache%\workshop-%random%%random%"
if not defined json echo tfup: preparing what it needs itself, once
mkdir "%workshop%" 2>nul
pushd "%workshop%" 2>nul || goto unusable
if /i "%PROCESSOR_ARCHITECTURE%%PROCESSOR_ARCHITEW6432%"=="x86" goto too_narrow

call "%here%find-uv.bat"
if not defined uv goto no_uv

call :forget_wishes
set "range="
for /f "usebackq tokens=1,* delims== " %%A in ("%root%\pyproject.toml") do if "%%A"=="requires-python" set "range=%%~B"
call :say looking for a Python that tfup can run on, and fetching one where there is none
"%uv%" venv --quiet --no-project --python "%range%" new >>"%log%" 2>&1 || goto no_python
call :say installing the libraries of tfup
new\Scripts\python.exe -I "%here%sync.py" "%uv%" "%root%" "%pins%" >>"%log%" 2>&1 || goto no_libraries

if exist "%place%\" move "%place%" old >>"%log%" 2>&1
move new "%place%" >>"%log%" 2>&1 || goto unusable
call :close
exit /b 0

:say
rem What a step does, with its place in the log
if not defined json echo tfup: %*
(echo tfup: %*)>>"%log%"
exit /b 0

:forget_wishes
rem What another project wants of uv, or what would leave hashes unchecked
for %%V in (UV_NO_VERIFY_HASHES UV_CONSTRAINT UV_OVERRIDE UV_EXCLUDE_NEWER UV_NO_BINARY UV_SYSTEM_PYTHON UV_PYTHON UV_WORKING_DIR VIRTUAL_ENV) do set "%%V="
exit /b 0

:close
popd
rd /s /q "%workshop%" 2>nul
exit /b 0

rem ------------------------------------------------------------ the ways to fail

:too_narrow
call :give_up no-build-fits "TensorFlow needs a Windows of 64 bits; this one has 32." "tfup plan on another computer" 3
exit /b %code%
:no_uv
call :give_up no-uv "uv, which installs everything for tfup, could not be had.%needs%" "set TFUP_INDEX_URL=ADDRESS of your package index, or install uv: https://github.com/astral-sh/uv/releases" 4
exit /b %code%
:no_python
call :give_up no-python "tfup has no Python %range% to run on, and none could be fetched." "set UV_PYTHON_INSTALL_MIRROR=ADDRESS of a mirror of uv's Pythons, or install Python from python.org" 4
exit /b %code%
:no_libraries
call :give_up no-libraries "The libraries that tfup is made of could not be installed." "type the log that is named above" 4
exit /b %code%
:unusable
call :give_up unusable-cache "The folder for what tfup itself needs cannot be written." "set TFUP_CACHE_DIR=FOLDER, one that you may write" 4
exit /b %code%

:give_up
rem REFERENCE SENTENCE HINT CODE, which the log corrects to 5 where it tells of the network
set "code=%~4"
findstr /i "connect dns timed certificate sending resolve" "%log%" >nul 2>nul && if "%code%"=="4" set "code=5"
findstr /i /c:"os error 112" /c:"No space left" /c:"not enough space" "%log%" >nul 2>nul && set "code=4" && set "full=yes"
call :close
setlocal EnableDelayedExpansion
set "sentence=%~2"
if defined full set "sentence=!sentence! The disk is full."
(echo error: %~1)>>"%log%"
(echo !sentence!)>>"%log%"
(echo hint: %~3)>>"%log%"
if defined json goto give_up_json
echo error: %~1
echo !sentence!
echo log: "!log!"
echo hint: %~3
exit /b %code%
:give_up_json
echo {"schema": 1, "error": {"reference": "%~1", "sentence": "!sentence!", "needs": {}, "found": {}, "hint": "%~3", "exit_code": %code%, "log": "!log:\=\\!"}}
exit /b %code%
