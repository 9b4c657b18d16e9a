/* NVML for the virtual GPUs of a bench: libnvidia-ml.so.1 as meters know it, over small text files.

   Below $CROSSWATT_NVML, or where the bench serves them:

       count       how many GPUs
       N/static    name, uuid, memory_mib, limit_mw, bus_id, architecture: one "key value" a line
       N/now       the figures of `enum figure`; -c makes the call that needs one return error c

   A call opens, reads and closes, so that nothing is ever older than the call. There is no other
   state than the count of nvmlInit, so that threads need no lock.

   What a meter asks and this GPU does not know is "not supported", which meters expect; what is
   not here at all is "function not found", as with an old driver. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VERSION "0.0-simulated"
#define MIB (1ULL << 20)
#define MAX_GPUS 64
#define HOPPER 9

typedef enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NO_PERMISSION = 4,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    LIBRARY_NOT_FOUND = 12,
    GPU_IS_LOST = 15,
    VERSION_MISMATCH = 25,
    UNKNOWN = 999,
} Return;

enum figure { ENERGY_MJ, POWER_MW, INSTANT_MW, AVERAGE_MW, GPU_USE, MEMORY_USE, USED_MIB, CELSIUS, FIGURES };

typedef const char *Device; /* into `devices`, whose bytes only lend their addresses */
static const char devices[MAX_GPUS];
static atomic_int users;

/* ---- files ---- */

static Return slurp(const char *name, char *text, size_t size) {
    char path[4096];
    const char *folder = getenv("CROSSWATT_NVML");
    size_t length = 0;
    ssize_t got = 0;
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "/sys/devices/virtual/crosswatt/nvml", name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        while (length < size - 1 && (got = read(file, text + length, size - 1 - length)) > 0) length += got;
        int number = errno;
        close(file);
        errno = number;
    }
    if (file < 0 || got < 0) return errno == EACCES ? NO_PERMISSION : UNKNOWN;
    text[length] = 0;
    return SUCCESS;
}

static Return how_many(unsigned *count) {
    char text[32];
    Return error = slurp("count", text, sizeof text);
    if (error) return error;
    *count = (unsigned)strtoul(text, NULL, 10);
    if (*count > MAX_GPUS) *count = MAX_GPUS;
    return SUCCESS;
}

static Return read_now(Device device, long long now[FIGURES]) {
    char name[32], text[512], *rest = text, *end;
    snprintf(name, sizeof name, "%d/now", (int)(device - devices));
    Return error = slurp(name, text, sizeof text);
    for (int i = 0; !error && i < FIGURES; i++, rest = end) {
        now[i] = strtoll(rest, &end, 10);
        if (end == rest) error = UNKNOWN;
    }
    return error;
}

/* ---- what every call checks first ---- */

static Return ready(const void *answer) {
    if (!users) return UNINITIALIZED;
    return answer ? SUCCESS : INVALID_ARGUMENT;
}

/* A GPU all of whose figures are lost has left the bus: it no longer tells even its name. */
static Return look(Device device, const void *answer, long long now[FIGURES]) {
    unsigned count;
    uintptr_t place = (uintptr_t)device - (uintptr_t)devices;
    Return error = ready(answer);
    if (!error) error = how_many(&count);
    if (!error && place >= count) error = INVALID_ARGUMENT;
    if (!error) error = read_now(device, now);
    for (int i = 0; !error; i++) {
        if (i == FIGURES) return GPU_IS_LOST;
        if (now[i] != -GPU_IS_LOST) break;
    }
    return error;
}

static Return known(Device device, const void *answer) {
    long long now[FIGURES];
    return look(device, answer, now);
}

static Return figure(Device device, const void *answer, enum figure which, long long *value) {
    long long now[FIGURES];
    Return error = look(device, answer, now);
    if (error) return error;
    *value = now[which];
    return *value < 0 ? (Return)-*value : SUCCESS;
}

static Return figure_as_unsigned(Device device, enum figure which, unsigned *answer) {
    long long value;
    Return error = figure(device, answer, which, &value);
    if (!error) *answer = (unsigned)value;
    return error;
}

static Return about(Device device, const char *key, char *text, size_t size) {
    char name[32], all[2048], *rest = NULL;
    Return error = known(device, text);
    if (error) return error;
    snprintf(name, sizeof name, "%d/static", (int)(device - devices));
    error = slurp(name, all, sizeof all);
    if (error) return error;
    for (char *line = strtok_r(all, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        size_t length = strlen(key);
        if (strncmp(line, key, length) || line[length] != ' ') continue;
        int needed = snprintf(text, size, "%s", line + length + 1);
        return (size_t)needed < size ? SUCCESS : INSUFFICIENT_SIZE;
    }
    return NOT_SUPPORTED;
}

static Return number_about(Device device, const char *key, unsigned long long *number) {
    char text[32];
    Return error = about(device, key, text, sizeof text);
    if (!error) *number = strtoull(text, NULL, 10);
    return error;
}

static Return put(const char *said, char *text, unsigned size) {
    Return error = ready(text);
    if (error) return error;
    return (size_t)snprintf(text, size, "%s", said) < size ? SUCCESS : INSUFFICIENT_SIZE;
}

static Return put_number(Device device, unsigned value, unsigned *answer) {
    Return error = known(device, answer);
    if (!error) *answer = value;
    return error;
}

/* ---- the library ---- */

Return nvmlInitWithFlags(unsigned flags) {
    unsigned count;
    (void)flags;
    Return error = how_many(&count);
    if (error) return error == NO_PERMISSION ? error : DRIVER_NOT_LOADED;
    users++;
    return SUCCESS;
}

Return nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
Return nvmlInit(void) { return nvmlInitWithFlags(0); }

Return nvmlShutdown(void) {
    for (int now = users; now > 0;)
        if (atomic_compare_exchange_weak(&users, &now, now - 1)) return SUCCESS;
    return UNINITIALIZED;
}

const char *nvmlErrorString(Return error) {
    static const char *const texts[] = {
        "Success", "Uninitialized", "Invalid Argument", "Not Supported", "Insufficient Permissions",
        "Already Initialized", "Not Found", "Insufficient Size", "Insufficient External Power",
        "Driver Not Loaded", "Timeout", "Interrupt Request Issue", "NVML Shared Library Not Found",
        "Function Not Found", "Corrupted infoROM", "GPU is lost", "GPU requires restart",
    };
    if (error == VERSION_MISMATCH) return "Argument version mismatch";
    return error < sizeof texts / sizeof *texts ? texts[error] : "Unknown Error";
}

Return nvmlSystemGetDriverVersion(char *text, unsigned size) { return put(VERSION, text, size); }
Return nvmlSystemGetNVMLVersion(char *text, unsigned size) { return put(VERSION, text, size); }

/* There is no libcuda.so, and this is what NVML says then. */
Return nvmlSystemGetCudaDriverVersion_v2(int *version) {
    Return error = ready(version);
    return error ? error : LIBRARY_NOT_FOUND;
}
Return nvmlSystemGetCudaDriverVersion(int *version) { return nvmlSystemGetCudaDriverVersion_v2(version); }

/* ---- finding a GPU ---- */

Return nvmlDeviceGetCount_v2(unsigned *count) {
    Return error = ready(count);
    return error ? error : how_many(count);
}
Return nvmlDeviceGetCount(unsigned *count) { return nvmlDeviceGetCount_v2(count); }

Return nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *device) {
    Return error = ready(device);
    if (!error) error = index < MAX_GPUS ? known(devices + index, devices) : INVALID_ARGUMENT;
    if (!error) *device = devices + index;
    return error;
}
Return nvmlDeviceGetHandleByIndex(unsigned index, Device *device) {
    return nvmlDeviceGetHandleByIndex_v2(index, device);
}

/* Upper or lower case, and with a domain of four or of eight digits. */
static int same_bus(const char *one, const char *other) {
    unsigned a[4], b[4];
    return sscanf(one, "%x:%x:%x.%x", a, a + 1, a + 2, a + 3) == 4 &&
           sscanf(other, "%x:%x:%x.%x", b, b + 1, b + 2, b + 3) == 4 && !memcmp(a, b, sizeof a);
}

static int same_text(const char *one, const char *other) { return !strcmp(one, other); }

typedef int Same(const char *, const char *);

static Return find(const char *key, const char *wanted, Same *same, Device *device) {
    char text[128];
    unsigned count;
    Return error = ready(wanted ? device : NULL);
    if (!error) error = how_many(&count);
    if (error) return error;
    for (Device each = devices; each < devices + count; each++) {
        Return unread = about(each, key, text, sizeof text);
        if (unread == GPU_IS_LOST) error = GPU_IS_LOST; /* it may be the one */
        if (unread || !same(text, wanted)) continue;
        *device = each;
        return SUCCESS;
    }
    return error ? error : NOT_FOUND;
}

Return nvmlDeviceGetHandleByUUID(const char *uuid, Device *device) {
    return find("uuid", uuid, same_text, device);
}
Return nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, Device *device) {
    return find("bus_id", bus_id, same_bus, device);
}
Return nvmlDeviceGetHandleByPciBusId(const char *bus_id, Device *device) {
    return find("bus_id", bus_id, same_bus, device);
}

/* ---- what does not change ---- */

Return nvmlDeviceGetName(Device device, char *text, unsigned size) {
    char name[256];
    Return error = known(device, text);
    if (!error) error = about(device, "name", name, sizeof name - sizeof " (simulated)");
    if (error) return error;
    if (!strstr(name, "simulated")) strcat(name, " (simulated)"); /* whoever wrote the model */
    return put(name, text, size);
}

Return nvmlDeviceGetUUID(Device device, char *text, unsigned size) {
    return about(device, "uuid", text, size);
}

Return nvmlDeviceGetIndex(Device device, unsigned *index) {
    return put_number(device, (unsigned)(device - devices), index);
}
Return nvmlDeviceGetMinorNumber(Device device, unsigned *minor) { return nvmlDeviceGetIndex(device, minor); }

typedef struct {
    char legacy_bus_id[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
} Pci;

Return nvmlDeviceGetPciInfo_v3(Device device, Pci *pci) {
    char text[32];
    unsigned domain, bus, slot, function;
    Return error = known(device, pci);
    if (!error) error = about(device, "bus_id", text, sizeof text);
    if (error) return error;
    if (sscanf(text, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4) return UNKNOWN;
    *pci = (Pci){.domain = domain, .bus = bus, .device = slot, .device_id = 0x10DE}; /* the vendor */
    snprintf(pci->legacy_bus_id, sizeof pci->legacy_bus_id, "%04hX:%02hhX:%02hhX.0", (unsigned short)domain,
             (unsigned char)bus, (unsigned char)slot);
    snprintf(pci->bus_id, sizeof pci->bus_id, "%08X:%02X:%02X.0", domain, bus, slot);
    return SUCCESS;
}

Return nvmlDeviceGetArchitecture(Device device, unsigned *architecture) {
    unsigned long long number;
    Return error = known(device, architecture);
    if (!error && number_about(device, "architecture", &number)) number = HOPPER;
    if (!error) *architecture = (unsigned)number;
    return error;
}

Return nvmlDeviceGetEnforcedPowerLimit(Device device, unsigned *limit_mw) {
    unsigned long long number;
    Return error = known(device, limit_mw);
    if (!error) error = number_about(device, "limit_mw", &number);
    if (!error) *limit_mw = (unsigned)number;
    return error;
}
Return nvmlDeviceGetPowerManagementLimit(Device device, unsigned *limit_mw) {
    return nvmlDeviceGetEnforcedPowerLimit(device, limit_mw);
}
Return nvmlDeviceGetPowerManagementDefaultLimit(Device device, unsigned *limit_mw) {
    return nvmlDeviceGetEnforcedPowerLimit(device, limit_mw);
}
Return nvmlDeviceGetPowerManagementLimitConstraints(Device device, unsigned *least_mw, unsigned *most_mw) {
    Return error = nvmlDeviceGetEnforcedPowerLimit(device, least_mw);
    return error ? error : nvmlDeviceGetEnforcedPowerLimit(device, most_mw); /* it cannot be set */
}

Return nvmlDeviceGetPowerManagementMode(Device device, unsigned *mode) { return put_number(device, 1, mode); }
Return nvmlDeviceGetPersistenceMode(Device device, unsigned *mode) { return put_number(device, 1, mode); }
Return nvmlDeviceGetComputeMode(Device device, unsigned *mode) { return put_number(device, 0, mode); }
Return nvmlDeviceGetDisplayMode(Device device, unsigned *mode) { return put_number(device, 0, mode); }
Return nvmlDeviceGetDisplayActive(Device device, unsigned *active) { return put_number(device, 0, active); }
Return nvmlDeviceGetMaxMigDeviceCount(Device device, unsigned *count) { return put_number(device, 0, count); }
Return nvmlDeviceIsMigDeviceHandle(Device device, unsigned *is) { return put_number(device, 0, is); }

Return nvmlDeviceGetMigMode(Device device, unsigned *current, unsigned *pending) {
    Return error = put_number(device, 0, current);
    return error ? error : put_number(device, 0, pending);
}

/* ---- what changes ---- */

Return nvmlDeviceGetTotalEnergyConsumption(Device device, unsigned long long *energy_mj) {
    long long value;
    Return error = figure(device, energy_mj, ENERGY_MJ, &value);
    if (!error) *energy_mj = (unsigned long long)value;
    return error;
}

Return nvmlDeviceGetPowerUsage(Device device, unsigned *power_mw) {
    return figure_as_unsigned(device, POWER_MW, power_mw);
}

typedef struct {
    unsigned id, scope;
    long long timestamp_us, latency_us;
    unsigned type;
    Return error;
    union {
        unsigned ui;
        unsigned long long ull;
    } value;
} Field;

enum { TYPE_UNSIGNED_INT = 1, TYPE_UNSIGNED_LONG_LONG = 3 };

static const struct {
    unsigned id;
    enum figure figure;
    unsigned type;
} fields[] = {
    {83, ENERGY_MJ, TYPE_UNSIGNED_LONG_LONG},
    {185, AVERAGE_MW, TYPE_UNSIGNED_INT},
    {186, INSTANT_MW, TYPE_UNSIGNED_INT},
};

static Return fill(Field *field, const long long now[FIGURES]) {
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].id != field->id || field->scope) continue; /* scopes: only the GPU itself, 0 */
        long long value = now[fields[i].figure];
        if (value < 0) return (Return)-value;
        field->type = fields[i].type;
        field->value.ull = (unsigned long long)value;
        if (field->type == TYPE_UNSIGNED_INT) field->value.ui = (unsigned)value;
        return SUCCESS;
    }
    return NOT_SUPPORTED;
}

Return nvmlDeviceGetFieldValues(Device device, int count, Field *values) {
    long long now[FIGURES];
    struct timespec wall;
    Return error = look(device, values, now);
    if (error) return error;
    if (count <= 0) return INVALID_ARGUMENT;
    clock_gettime(CLOCK_REALTIME, &wall);
    for (Field *field = values; field < values + count; field++) {
        *field = (Field){.id = field->id, .scope = field->scope};
        field->timestamp_us = wall.tv_sec * 1000000LL + wall.tv_nsec / 1000;
        field->error = fill(field, now);
    }
    return SUCCESS;
}

typedef struct {
    unsigned gpu, memory;
} Utilization;

Return nvmlDeviceGetUtilizationRates(Device device, Utilization *use) {
    Return error = figure_as_unsigned(device, GPU_USE, use ? &use->gpu : NULL);
    return error ? error : figure_as_unsigned(device, MEMORY_USE, &use->memory);
}

typedef struct {
    unsigned long long total, free, used;
} Memory;

typedef struct {
    unsigned version;
    unsigned long long total, reserved, free, used;
} MemoryV2;

Return nvmlDeviceGetMemoryInfo(Device device, Memory *memory) {
    unsigned long long total_mib;
    long long used_mib;
    Return error = figure(device, memory, USED_MIB, &used_mib);
    if (!error) error = number_about(device, "memory_mib", &total_mib);
    if (error) return error;
    memory->total = total_mib * MIB;
    memory->used = (unsigned long long)used_mib * MIB;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

/* A versioned struct tells its size in the low bits of its version. */
#define VERSIONED(type, version) (sizeof(type) | (version) << 24)

Return nvmlDeviceGetMemoryInfo_v2(Device device, MemoryV2 *memory) {
    Memory plain;
    Return error = known(device, memory);
    if (!error && memory->version != VERSIONED(MemoryV2, 2)) error = VERSION_MISMATCH;
    if (!error) error = nvmlDeviceGetMemoryInfo(device, &plain);
    if (!error) *memory = (MemoryV2){memory->version, plain.total, 0, plain.free, plain.used};
    return error;
}

Return nvmlDeviceGetTemperature(Device device, unsigned sensor, unsigned *celsius) {
    if (users && sensor) return INVALID_ARGUMENT;
    return figure_as_unsigned(device, CELSIUS, celsius);
}

typedef struct {
    unsigned version, sensor;
    int celsius;
} Temperature;

Return nvmlDeviceGetTemperatureV(Device device, Temperature *temperature) {
    long long value;
    Return error = known(device, temperature);
    if (!error && temperature->version != VERSIONED(Temperature, 1)) error = VERSION_MISMATCH;
    if (!error && temperature->sensor) error = INVALID_ARGUMENT;
    if (!error) error = figure(device, temperature, CELSIUS, &value);
    if (!error) temperature->celsius = (int)value;
    return error;
}

/* ---- what a virtual GPU has none of ---- */

#define NO_PROCESSES(name) \
    Return name(Device device, unsigned *count, void *processes) { \
        (void)processes; \
        return put_number(device, 0, count); \
    }
NO_PROCESSES(nvmlDeviceGetComputeRunningProcesses)
NO_PROCESSES(nvmlDeviceGetComputeRunningProcesses_v2)
NO_PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3)
NO_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses)
NO_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v2)
NO_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3)
NO_PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3)

/* Whatever else is passed is not looked at, and the C calling convention lets it be. */
#define NOT_SUPPORTED_HERE(name) \
    Return name(Device device) { \
        Return error = known(device, devices); \
        return error ? error : NOT_SUPPORTED; \
    }
NOT_SUPPORTED_HERE(nvmlDeviceGetC2cModeInfoV)
NOT_SUPPORTED_HERE(nvmlDeviceGetClockInfo)
NOT_SUPPORTED_HERE(nvmlDeviceGetMaxClockInfo)
NOT_SUPPORTED_HERE(nvmlDeviceGetSupportedMemoryClocks)
NOT_SUPPORTED_HERE(nvmlDeviceGetSupportedGraphicsClocks)
NOT_SUPPORTED_HERE(nvmlDeviceGetCudaComputeCapability)
NOT_SUPPORTED_HERE(nvmlDeviceGetDecoderUtilization)
NOT_SUPPORTED_HERE(nvmlDeviceGetDriverModel)
NOT_SUPPORTED_HERE(nvmlDeviceGetDriverModel_v2)
NOT_SUPPORTED_HERE(nvmlDeviceGetEncoderUtilization)
NOT_SUPPORTED_HERE(nvmlDeviceGetFanSpeed)
NOT_SUPPORTED_HERE(nvmlDeviceGetPcieThroughput)
NOT_SUPPORTED_HERE(nvmlDeviceGetPerformanceState)
NOT_SUPPORTED_HERE(nvmlDeviceGetSerial)
NOT_SUPPORTED_HERE(nvmlDeviceGetTotalEccErrors)
NOT_SUPPORTED_HERE(nvmlDeviceSetPersistenceMode)
NOT_SUPPORTED_HERE(nvmlDeviceSetPowerManagementLimit)
