rem Sets uv to a program that is new enough: the one that is carried, on PATH or fetched before, else by pip, else its wheel from
rem the index that the person configured, else from uv's release page; or leaves it empty, and says in needs what was tried.
rem make.bat calls this in the workshop, and has set root, cache and log. What is fetched must have a hash that this clone knows.
set "uv="
set "needs="
if exist "%root%\carried\uv.exe" set "uv=%root%\carried\uv.exe"
if defined uv exit /b 0
for /f "usebackq tokens=1,2 delims== " %%A in ("%root%\requirements\uv.txt") do if "%%A"=="uv" set "pinned=%%B"
set "wheel=uv-%pinned%-py3-none-win_amd64.whl"
call :find_least
for %%U in (uv.exe) do call :try "%%~$PATH:U"
if not defined uv call :try "%cache%\uv-%pinned%.exe"
if defined uv exit /b 0
call :say fetching uv, 16 MB
call :by_pip || call :by_index || call :by_release || exit /b 1
move /y uv.exe "%cache%\uv-%pinned%.exe" >nul 2>>"%log%"
call :try "%cache%\uv-%pinned%.exe"
exit /b 0

:say
if not defined json echo tfup: %*
(echo tfup: %*)>>"%log%"
exit /b 0

:find_least
rem The bound of pyproject.toml, as one number
set "least=0"
setlocal EnableDelayedExpansion
for /f "usebackq delims=" %%L in ("%root%\pyproject.toml") do set "line=%%L" & call :read_bound
endlocal & set "least=%least%"
exit /b 0

:read_bound
set "line=!line:"=!"
for /f "tokens=1-3 delims=>=., " %%A in ("!line!") do if "%%A"=="uv" set /a "least=%%B * 1000 + %%C"
exit /b 0

:try
rem FILE: takes it for uv if it starts and is new enough
if "%~1"=="" exit /b 1
if not exist "%~1" exit /b 1
"%~1" --version >version.txt 2>>"%log%" || exit /b 1
set "found="
for /f "usebackq tokens=2,3 delims=. " %%A in ("version.txt") do set /a "found=%%A * 1000 + %%B"
if not defined found exit /b 1
if %found% lss %least% exit /b 1
set "uv=%~1"
exit /b 0

rem ------------------------------------------------------------ by pip

:by_pip
rem It knows the person's index, proxy and certificates, and checks the hash.
set "donor="
for %%P in (py.exe python.exe python3.exe) do call :try_python "%%~$PATH:P"
for %%H in (HKCU HKLM) do for /f "tokens=2,*" %%A in ('reg query %%H\Software\Python\PythonCore /s /v ExecutablePath 2^>nul') do if "%%A"=="REG_SZ" call :try_python "%%B"
if not defined donor set "needs=%needs% There is no Python with pip."
if not defined donor exit /b 1
set "PIP_REQUIRE_VIRTUALENV=0"
set "PIP_DISABLE_PIP_VERSION_CHECK=1"
"%donor%" -E -m pip download --quiet --no-input --dest wheels --require-hashes --only-binary :all: --platform win_amd64 --no-deps -r "%root%\requirements\uv.txt" >>"%log%" 2>&1
if errorlevel 1 set "needs=%needs% pip got no uv %pinned% with a right hash."
if errorlevel 1 exit /b 1
"%donor%" -E -m zipfile -e "wheels\%wheel%" unpacked >>"%log%" 2>&1 || exit /b 1
move /y "unpacked\uv-%pinned%.data\scripts\uv.exe" uv.exe >nul 2>>"%log%"
exit /b %errorlevel%

:try_python
rem FILE: takes it if it starts, has pip and may run uv's wheel. The stub of the Microsoft Store does not start.
if defined donor exit /b 0
if "%~1"=="" exit /b 1
"%~1" -E -c "import sys, pip; sys.exit(sys.version_info < (3, 8))" >nul 2>nul && set "donor=%~1"
exit /b 0

rem ------------------------------------------------------------ by its wheel

:by_index
rem curl.exe and tar.exe are part of Windows since 10 version 1803. uv may write an index as NAME=ADDRESS.
set "index=%TFUP_INDEX_URL%"
if not defined index set "index=%UV_DEFAULT_INDEX%"
if not defined index set "index=%UV_INDEX_URL%"
if not defined index call :pip_setting index-url index
if not defined index set "needs=%needs% No index is named in TFUP_INDEX_URL or pip.ini."
if not defined index exit /b 1
if /i not "%index:~0,4%"=="http" for /f "tokens=1,* delims==" %%A in ("%index%") do set "index=%%B"
if not "%index:~-1%"=="/" set "index=%index%/"
set "address=%index%uv/"
call :fetch page.html || exit /b 1
set "link="
for /f "delims=" %%L in ('findstr /c:"%wheel%" page.html') do if not defined link for /f "tokens=2 delims==" %%U in ("%%L") do set "link=%%U"
if not defined link set "needs=%needs% The index has no uv %pinned% for Windows."
if not defined link exit /b 1
set "link=%link:"=%"
for /f "tokens=1 delims=#> " %%U in ("%link%") do set "link=%%U"
call :make_absolute
mkdir wheels 2>nul
call :fetch "wheels\%wheel%" || exit /b 1
call :know_hash "wheels\%wheel%" "%root%\requirements\uv.txt" || exit /b 1
mkdir unpacked 2>nul
tar -xf "wheels\%wheel%" -C unpacked >>"%log%" 2>&1 || exit /b 1
move /y "unpacked\uv-%pinned%.data\scripts\uv.exe" uv.exe >nul 2>>"%log%"
exit /b %errorlevel%

:make_absolute
rem Turns the link of a page into an address; curl itself resolves ../
set "address=%link%"
if /i "%link:~0,4%"=="http" exit /b 0
set "address=%index%uv/%link%"
if not "%link:~0,1%"=="/" exit /b 0
for /f "tokens=1,2 delims=/" %%A in ("%index%") do set "address=%%A//%%B%link%"
exit /b 0

:pip_setting
rem NAME VARIABLE: sets it to pip's option, from the variable of that name or the first configuration file that has it
set "%~2="
set "option=%~1"
call set "%~2=%%PIP_%option:-=_%%%"
if defined %~2 exit /b 0
for %%F in ("%PIP_CONFIG_FILE%" "%APPDATA%\pip\pip.ini" "%USERPROFILE%\pip\pip.ini" "%ProgramData%\pip\pip.ini") do call :read_option "%%~F" %~2
exit /b 0

:read_option
rem FILE VARIABLE: sets it to the option of that file, unless it has a value
if not exist "%~1" exit /b 0
for /f "usebackq tokens=1,* delims==" %%A in ("%~1") do for /f "tokens=1" %%N in ("%%A") do if /i "%%N"=="%option%" for /f "tokens=1" %%V in ("%%B") do if not defined %~2 set "%~2=%%V"
exit /b 0

rem ------------------------------------------------------------ from its release page

:by_release
for /f "usebackq eol=# tokens=1,2" %%A in ("%here%uv-release.sha256") do set "release=%%B"
set "address=%TFUP_UV_RELEASES%"
if not defined address set "address=https://github.com/astral-sh/uv/releases/download"
set "address=%address%/%release%"
call :fetch uv.zip || exit /b 1
call :know_hash uv.zip "%here%uv-release.sha256" || exit /b 1
tar -xf uv.zip -C . >>"%log%" 2>&1
if exist uv.exe exit /b 0
exit /b 1

rem ------------------------------------------------------------ what both need

:fetch
rem FILE: gets address. curl is told in a file, for a list of processes shows to everybody what is on its command line.
if defined PIP_CERT if not defined SSL_CERT_FILE set "SSL_CERT_FILE=%PIP_CERT%"
if not defined SSL_CERT_FILE call :pip_setting cert SSL_CERT_FILE
if defined SSL_CERT_FILE if not defined CURL_CA_BUNDLE set "CURL_CA_BUNDLE=%SSL_CERT_FILE%"
if not defined https_proxy call :pip_setting proxy https_proxy
(echo url = "%address%")>curl.txt
curl --config curl.txt --fail --silent --show-error --location --netrc-optional --ssl-no-revoke --retry 2 --connect-timeout 20 --output "%~1" >>"%log%" 2>&1
set "answer=%errorlevel%"
del curl.txt 2>nul
if "%answer%"=="0" exit /b 0
if "%answer%"=="9009" set "needs=%needs% curl.exe is not there: Windows 10 has it since version 1803."
if not "%answer%"=="9009" set "needs=%needs% No answer came from the network."
exit /b 1

:know_hash
rem FILE LIST: tells whether the list has the SHA-256 of the file. certutil says it in the second line, on old systems with spaces.
set "hash="
for /f "skip=1 delims=" %%H in ('certutil -hashfile "%~1" SHA256 2^>nul') do if not defined hash set "hash=%%H"
if defined hash set "hash=%hash: =%"
if defined hash findstr /c:"%hash%" "%~2" >nul && exit /b 0
set "needs=%needs% A file with a wrong hash was sent, and not used: %hash%"
(echo wrong hash: %hash%)>>"%log%"
exit /b 1
