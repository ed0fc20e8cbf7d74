/* A stand-in for NVIDIA's libraries: NVML and libcuda of any driver and any cards, with faults on request.

   Variables say what it answers:
     STAND_IN_DRIVER  the driver's version
     STAND_IN_CUDA    the newest CUDA that it serves, as 12020
     STAND_IN_CARDS   cards, each ended by ";": name,uuid,major,minor,bytes,bus,slices ("-": MIG is off)
     STAND_IN_ORDER   the numbers of the cards as CUDA counts them, such as "1,0"
     STAND_IN_FAULTS  faults, each ended by ";": QUESTION=FAULT for all cards or QUESTION#CARD=FAULT for one;
                      a fault is an error code, "hang", "crash" or "print"
   Built with -DOLD, it lacks what drivers before 396 lack. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CARDS = 64, SLICES = 7, NOT_FOUND = 6, INVALID = 2, NOT_SUPPORTED = 3 };

struct slice { int kind, card, number; };
struct card {
    int kind, number, major, minor, slices;
    char name[96], uuid[96], bus[32];
    unsigned long long bytes;
    struct slice pieces[SLICES];
};

static struct card cards[CARDS];

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static int count(void) {
    int number = 0;
    char text[16384], slices[16];
    strncpy(text, setting("STAND_IN_CARDS"), sizeof text - 1);
    text[sizeof text - 1] = 0;
    for (char *line = strtok(text, ";"); line && number < CARDS; line = strtok(NULL, ";"), number++) {
        struct card *card = &cards[number];
        sscanf(line, "%95[^,],%95[^,],%d,%d,%llu,%31[^,],%15s", card->name, card->uuid, &card->major, &card->minor,
               &card->bytes, card->bus, slices);
        card->kind = 0;
        card->number = number;
        card->slices = slices[0] == '-' ? -1 : atoi(slices);
        for (int piece = 0; piece < SLICES; piece++) card->pieces[piece] = (struct slice){1, number, piece};
    }
    return number;
}

static int fault(const char *question, int card) {
    char text[4096], wanted[2][128];
    snprintf(wanted[0], sizeof wanted[0], "%s=", question);
    snprintf(wanted[1], sizeof wanted[1], "%s#%d=", question, card);
    strncpy(text, setting("STAND_IN_FAULTS"), sizeof text - 1);
    text[sizeof text - 1] = 0;
    for (char *line = strtok(text, ";"); line; line = strtok(NULL, ";")) {
        for (int way = 0; way < 2; way++) {
            const char *value = line + strlen(wanted[way]);
            if (strncmp(line, wanted[way], strlen(wanted[way]))) continue;
            if (!strcmp(value, "hang")) for (;;) pause();
            if (!strcmp(value, "crash")) abort();
            if (!strcmp(value, "print")) return printf("a word of %s\n", question), fflush(stdout), 0;
            return atoi(value);
        }
    }
    return 0;
}

#define ASK(question, card) do { int code = fault(question, card); if (code) return code; } while (0)

/* ---------------------------------------------------------------- NVML */

int nvmlInit_v2(void) { ASK("nvmlInit", -1); return 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { (void)code; return "a code that nobody knows"; }

int nvmlSystemGetDriverVersion(char *text, unsigned length) {
    ASK("nvmlSystemGetDriverVersion", -1);
    snprintf(text, length, "%s", setting("STAND_IN_DRIVER"));
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned *number) { ASK("nvmlDeviceGetCount", -1); *number = count(); return 0; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct card **card) {
    if ((int)index >= count()) return INVALID;
    ASK("nvmlDeviceGetHandleByIndex", index);
    *card = &cards[index];
    return 0;
}

int nvmlDeviceGetName(struct card *card, char *text, unsigned length) {
    ASK("nvmlDeviceGetName", card->number);
    snprintf(text, length, "%s", card->name);
    return 0;
}

int nvmlDeviceGetUUID(struct card *card, char *text, unsigned length) {
    ASK("nvmlDeviceGetUUID", card->number);
    if (card->kind == 0) snprintf(text, length, "%s", card->uuid);
    else snprintf(text, length, "MIG-%d-%d", ((struct slice *)card)->card, ((struct slice *)card)->number);
    return 0;
}

struct memory { unsigned long long total, unused, used; };
int nvmlDeviceGetMemoryInfo(struct card *card, struct memory *memory) {
    ASK("nvmlDeviceGetMemoryInfo", card->number);
    *memory = (struct memory){card->bytes, card->bytes, 0};
    return 0;
}

struct old_pci { char bus[16]; unsigned domain, number, device, chip, board, rest[4]; };
int nvmlDeviceGetPciInfo_v2(struct card *card, struct old_pci *pci) {
    ASK("nvmlDeviceGetPciInfo", card->number);
    snprintf(pci->bus, sizeof pci->bus, "%.15s", card->bus);
    return 0;
}

#ifndef OLD
int nvmlInitWithFlags(unsigned flags) { (void)flags; ASK("nvmlInit", -1); return 0; }

int nvmlSystemGetCudaDriverVersion_v2(int *number) {
    ASK("nvmlSystemGetCudaDriverVersion", -1);
    *number = atoi(setting("STAND_IN_CUDA"));
    return 0;
}

int nvmlDeviceGetCudaComputeCapability(struct card *card, int *major, int *minor) {
    ASK("nvmlDeviceGetCudaComputeCapability", card->number);
    *major = card->major;
    *minor = card->minor;
    return 0;
}

struct pci { char old_bus[16]; unsigned domain, number, device, chip, board; char bus[32]; };
int nvmlDeviceGetPciInfo_v3(struct card *card, struct pci *pci) {
    ASK("nvmlDeviceGetPciInfo", card->number);
    snprintf(pci->bus, sizeof pci->bus, "%s", card->bus);
    return 0;
}

int nvmlDeviceGetMigMode(struct card *card, unsigned *now, unsigned *later) {
    ASK("nvmlDeviceGetMigMode", card->number);
    if (card->slices < 0) return NOT_SUPPORTED;
    *now = *later = 1;
    return 0;
}

int nvmlDeviceGetMaxMigDeviceCount(struct card *card, unsigned *number) { (void)card; *number = SLICES; return 0; }

int nvmlDeviceGetMigDeviceHandleByIndex(struct card *card, unsigned index, struct slice **slice) {
    if ((int)index >= card->slices) return NOT_FOUND;
    *slice = &card->pieces[index];
    return 0;
}
#endif

/* ---------------------------------------------------------------- libcuda */

static struct card *device(int number) {
    const char *order = setting("STAND_IN_ORDER");
    for (int place = 0; *order && place < number; place++) order = strchr(order, ',') ? strchr(order, ',') + 1 : "";
    return &cards[*order ? atoi(order) : number];
}

int cuInit(unsigned flags) { (void)flags; ASK("cuInit", -1); count(); return 0; }
int cuDriverGetVersion(int *number) { *number = atoi(setting("STAND_IN_CUDA")); return 0; }
int cuDeviceGetCount(int *number) { *number = count(); return 0; }
int cuDeviceGet(int *handle, int index) { *handle = index; return 0; }

int cuDeviceGetName(char *text, int length, int handle) {
    snprintf(text, length, "%s", device(handle)->name);
    return 0;
}

int cuDeviceTotalMem_v2(size_t *bytes, int handle) { *bytes = device(handle)->bytes; return 0; }

int cuDeviceGetAttribute(int *value, int attribute, int handle) {
    *value = attribute == 75 ? device(handle)->major : device(handle)->minor;
    return 0;
}

int cuDeviceGetPCIBusId(char *text, int length, int handle) {
    const char *bus = device(handle)->bus; /* the domain has four digits here, and eight in NVML */
    snprintf(text, length, "%s", strlen(bus) > 12 ? bus + strlen(bus) - 12 : bus);
    return 0;
}

int cuDeviceGetUuid(unsigned char *bytes, int handle) {
    int place = 0, low;
    unsigned value;
    memset(bytes, 0, 16);
    for (const char *text = device(handle)->uuid + 4; *text && place < 16; text += low) {
        low = 1;
        if (*text == '-') continue;
        if (sscanf(text, "%2x", &value) != 1) break;
        bytes[place++] = value;
        low = 2;
    }
    return 0;
}
