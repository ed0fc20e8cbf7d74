; tfup-setup.exe: lays uv.exe, tfup and its libraries into a folder of the person, and starts tfup there. build_setup.py calls
; makensis with VERSION, PAYLOAD and OUTPUT. Nothing here knows of a release of TensorFlow, and nobody needs to be an administrator.
;
;   tfup-setup.exe [/S] [--yes] [/WISH="tensorflow==2.10.1 --python 3.10"] [/PROJECT=FOLDER] [/D=FOLDER]
;   uninstall.exe [/S] [/ALL]

Unicode true
Target amd64-unicode
SetCompressor /SOLID lzma
SetDateSave off
ManifestDPIAware true
RequestExecutionLevel user

!include MUI2.nsh
!include LogicLib.nsh
!include FileFunc.nsh
!include Sections.nsh

Name "TensorFlow by tfup"
OutFile "${OUTPUT}"
InstallDir "$LOCALAPPDATA\tfup"
BrandingText "tfup ${VERSION}"
ShowInstDetails show
ShowUninstDetails show
VIProductVersion "${VERSION}.0"
VIAddVersionKey ProductName "tfup"
VIAddVersionKey ProductVersion "${VERSION}"
VIAddVersionKey FileVersion "${VERSION}"
VIAddVersionKey FileDescription "A proven TensorFlow onto this computer"
VIAddVersionKey LegalCopyright "MIT licence"

!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\tfup"
!define MENU "$SMPROGRAMS\TensorFlow prompt.lnk"

Var Wish
Var Project
Var Code
Var Title
Var Verdict

; ---------------------------------------------------------------- pages

!define MUI_WELCOMEPAGE_TITLE "TensorFlow and Keras for this computer"
!define MUI_WELCOMEPAGE_TEXT "tfup looks at this computer, picks the newest TensorFlow that fits it, installs it for you alone, and \
proves that it works.$\r$\n$\r$\nNo administrator is needed. It makes a folder tensorflow among your files, and what this setup \
brings can be removed again.$\r$\n$\r$\nSome hundred megabytes are fetched from the network, which takes some minutes."
!define MUI_INSTFILESPAGE_FINISHHEADER_TEXT "The report is below"
!define MUI_INSTFILESPAGE_FINISHHEADER_SUBTEXT "It is kept in the file that it names as its log."
!define MUI_FINISHPAGE_NOAUTOCLOSE
!define MUI_FINISHPAGE_TITLE "$Title"
!define MUI_FINISHPAGE_TITLE_3LINES
!define MUI_FINISHPAGE_TEXT "$Verdict"
!insertmacro MUI_PAGE_WELCOME
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_COMPONENTS
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE English

; ---------------------------------------------------------------- install

Function .onInit
  ${GetParameters} $0
  ${GetOptions} $0 "/WISH=" $Wish
  ${GetOptions} $0 "/PROJECT=" $Project
  ${If} $Project == ""
    StrCpy $Project "$PROFILE\tensorflow"
  ${EndIf}
FunctionEnd

Section
  RMDir /r "$INSTDIR\carried" ; of an earlier tfup
  SetOutPath "$INSTDIR"
  File /r "${PAYLOAD}\*.*"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayName" "TensorFlow by tfup"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL}" "Publisher" "tfup"
  WriteRegStr HKCU "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegStr HKCU "${UNINSTALL}" "Project" "$Project"
  WriteRegDWORD HKCU "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD HKCU "${UNINSTALL}" "NoRepair" 1
  CreateDirectory "$Project"
  SetOutPath "$Project" ; where the prompt begins
  CreateShortcut "${MENU}" "$SYSDIR\cmd.exe" '/k ""$INSTDIR\prompt.bat""'
  Call runTfup
  SetOutPath "$INSTDIR"
SectionEnd

Function runTfup
  DetailPrint "tfup looks at this computer, installs, and proves that it works"
  nsExec::ExecToLog '"$SYSDIR\cmd.exe" /d /c ""$INSTDIR\installers\windows\start.bat" install --yes --project "$Project" $Wish"'
  Pop $Code
  ${If} $Code == "error"
    StrCpy $Code 4
  ${EndIf}
  ${If} $Code == 0
    StrCpy $Title "TensorFlow works on this computer"
    StrCpy $Verdict "It was proved just now: every check passed.$\r$\n$\r$\nThe start menu has a TensorFlow prompt, in which \
python is the one that knows TensorFlow. The project is the folder$\r$\n$Project$\r$\n$\r$\nThe report is kept \
in$\r$\n$INSTDIR\cache\start.log"
  ${Else}
    StrCpy $Title "TensorFlow was not installed"
    StrCpy $Verdict "The report on the page before says why, and what helps. It is kept in$\r$\n$INSTDIR\cache\start.log$\r$\n$\r$\n\
What was there before is as it was. Start this setup again when the cause is removed: it goes on."
  ${EndIf}
  DetailPrint "log: $INSTDIR\cache\start.log"
  SetErrorLevel $Code
FunctionEnd

; ---------------------------------------------------------------- uninstall

; What was laid out here goes by its names; a stranger's file in the folder keeps the folder.
Section "un.tfup" unTfup
  SectionIn RO
  SetOutPath "$TEMP"
  Delete "${MENU}"
  RMDir /r "$INSTDIR\carried"
  RMDir /r "$INSTDIR\cache"
  RMDir /r "$INSTDIR\installers"
  RMDir /r "$INSTDIR\requirements"
  Delete "$INSTDIR\pyproject.toml"
  Delete "$INSTDIR\prompt.bat"
  Delete "$INSTDIR\tfup.bat"
  Delete "$INSTDIR\uninstall.exe"
  ${IfNot} ${FileExists} "$Project\.venv\*.*" ; else the environment needs the Python that was fetched for it
    RMDir /r "$INSTDIR\python"
  ${EndIf}
  RMDir "$INSTDIR"
  RMDir "$Project" ; if there is nothing in it
  DeleteRegKey HKCU "${UNINSTALL}"
SectionEnd

; The environment and what tfup noted beside it; Pipfile, requirements and all other files stay.
Section /o "un.the TensorFlow environment, too" unEnvironment
  RMDir /r "$Project\.venv"
  RMDir /r "$Project\.tfup"
  RMDir /r "$INSTDIR\python"
  RMDir "$INSTDIR"
SectionEnd

LangString aboutTfup ${LANG_ENGLISH} "tfup, uv, their caches and logs, and the entry in the start menu"
LangString aboutEnvironment ${LANG_ENGLISH} "the folders .venv and .tfup of the project and the Python that was fetched for it; your own \
files stay"
!insertmacro MUI_UNFUNCTION_DESCRIPTION_BEGIN
  !insertmacro MUI_DESCRIPTION_TEXT ${unTfup} $(aboutTfup)
  !insertmacro MUI_DESCRIPTION_TEXT ${unEnvironment} $(aboutEnvironment)
!insertmacro MUI_UNFUNCTION_DESCRIPTION_END

Function un.onInit
  ReadRegStr $Project HKCU "${UNINSTALL}" "Project"
  ${If} $Project == ""
    StrCpy $Project "$PROFILE\tensorflow"
  ${EndIf}
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/ALL" $1
  ${IfNot} ${Errors}
    !insertmacro SelectSection ${unEnvironment}
  ${EndIf}
FunctionEnd
