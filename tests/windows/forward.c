/* NAME.exe, which Windows 10 has and Wine lacks: runs NAME.py beside it with %STAND_IN_PYTHON% and the same arguments. */
#include <wchar.h>
#include <windows.h>

int wmain(void)
{
    static wchar_t self[4096], python[4096], command[32768];
    STARTUPINFOW start = {.cb = sizeof start};
    PROCESS_INFORMATION process;
    DWORD code = 127;
    int quoted = 0;
    wchar_t *rest = GetCommandLineW();

    GetModuleFileNameW(NULL, self, 4096);
    *wcsrchr(self, L'.') = 0;
    if (!GetEnvironmentVariableW(L"STAND_IN_PYTHON", python, 4096))
        return 126;
    for (; *rest && (quoted || *rest != L' '); rest++)
        quoted ^= *rest == L'"';
    swprintf(command, 32768, L"\"%ls\" -I \"%ls.py\"%ls", python, self, rest);
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process))
        return 125;
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    return code;
}
