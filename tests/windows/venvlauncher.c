/* Lib\venv\scripts\nt\python.exe, which python.org's embeddable zip lacks: it reads `home` from ..\pyvenv.cfg and runs
   the python.exe there with the same arguments, told by __PYVENV_LAUNCHER__ who it is, as CPython's own does. */
#include <stdio.h>
#include <wchar.h>
#include <windows.h>

static wchar_t self[4096], cfg[4096], line[4096], program[4096], command[32768];

static int find_home(wchar_t *home)
{
    wcscpy(cfg, self);
    *wcsrchr(cfg, L'\\') = 0;
    wcscpy(wcsrchr(cfg, L'\\'), L"\\pyvenv.cfg");
    FILE *file = _wfopen(cfg, L"r, ccs=UTF-8");
    while (file && fgetws(line, 4096, file))
        if (swscanf(line, L"home = %4095l[^\r\n]", home) == 1)
            return 1;
    return 0;
}

int wmain(void)
{
    static wchar_t home[4096];
    STARTUPINFOW start = {.cb = sizeof start};
    PROCESS_INFORMATION process;
    DWORD code = 103;

    GetModuleFileNameW(NULL, self, 4096);
    if (!find_home(home))
        return 106;
    swprintf(program, 4096, L"%ls\\python.exe", home);
    SetEnvironmentVariableW(L"__PYVENV_LAUNCHER__", self);
    wcscpy(command, GetCommandLineW());
    if (!CreateProcessW(program, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process))
        return 105;
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    return code;
}
