/* A small native DLL under the real OrcFxAPI binding, for `python -m benchmarks lock`: what it costs is known exactly.
 *
 *     cc -O2 -shared -fPIC -o small.so small.c -lm -lpthread
 *
 * Every model has General, Environment and sixty lines, Line1 to Line60, whatever the file says; a result is a wave that
 * depends on the file's name, the line and the variable. ctypes lets Python's lock go around every call, as it does with
 * OrcaFlex's own DLL; listing the objects calls back into Python.
 *
 * set_cost(name, value) before a run:
 *     call_us    every call spins for so long
 *     load_s     a load sleeps for so long          load_cpu_s  and computes for so long
 *     queue_s    a load sleeps for so long while no other does: a disk that serves one at a time
 *     pass_ms    a pass over the log computes for so long       pass_sleep_ms  and sleeps for so long
 *     one_lock   1: the calls of all threads wait for each other, but for the sleep of a load; no listing of objects then
 * set_cost("reset", 1) forgets the most models alive.
 * used(out) afterwards: calls, passes, nanoseconds of CPU computed as asked for, models alive, most models alive. */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

enum { SAMPLES = 200, LINES = 60, OBJECTS = LINES + 2 };
enum { BAD_MODEL = 3, BAD_OBJECT = 4, NO_SUCH_OBJECT = 23, NO_SUCH_VARIABLE = 26, NO_SUCH_DATA = 31, NOT_LOADED = 39 };
enum { GENERAL = 1, ENVIRONMENT = 3, LINE = 6 };
enum { WITH_RESULTS = 4 };

/* --- costs ------------------------------------------------------------------------------------------------------- */

static struct { const char *name; double value; } COSTS[] = {
    {"call_us", 0}, {"load_s", 0}, {"load_cpu_s", 0}, {"pass_ms", 0}, {"pass_sleep_ms", 0}, {"one_lock", 0},
    {"queue_s", 0}};
enum { CALL_US, LOAD_S, LOAD_CPU_S, PASS_MS, PASS_SLEEP_MS, ONE_LOCK, QUEUE_S, COST_COUNT };
static atomic_llong calls, passes, computed_ns, alive, most_alive;
static pthread_mutex_t one_lock = PTHREAD_MUTEX_INITIALIZER, queue = PTHREAD_MUTEX_INITIALIZER;

int set_cost(const char *name, double value) {
    if (!strcmp(name, "reset")) { most_alive = (long long)alive; return 0; }
    for (int i = 0; i < COST_COUNT; i++)
        if (!strcmp(COSTS[i].name, name)) { COSTS[i].value = value; return 0; }
    return 1;
}

void used(double *out) {
    out[0] = (double)calls; out[1] = (double)passes; out[2] = (double)computed_ns; out[3] = (double)alive;
    out[4] = (double)most_alive;
}

static int64_t clock_ns(clockid_t which) {
    struct timespec now;
    clock_gettime(which, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void compute(double seconds) { /* CPU of this thread, however long others keep it from its core */
    int64_t begun = clock_ns(CLOCK_THREAD_CPUTIME_ID), end = begun + (int64_t)(seconds * 1e9);
    if (seconds <= 0) return;
    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end) for (volatile int i = 0; i < 2000; i++) ;
    computed_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun;
}

static void nap(double seconds) {
    struct timespec left = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
    if (seconds > 0) while (nanosleep(&left, &left)) ;
}

static void begin(void) {
    calls++;
    if (COSTS[ONE_LOCK].value) pthread_mutex_lock(&one_lock);
    if (COSTS[CALL_US].value) compute(COSTS[CALL_US].value * 1e-6);
}

static void end(int *status, int code) {
    *status = code;
    if (COSTS[ONE_LOCK].value) pthread_mutex_unlock(&one_lock);
}

static void pass_over_the_log(int count) {
    passes += count;
    compute(COSTS[PASS_MS].value * 1e-3 * count);
    nap(COSTS[PASS_SLEEP_MS].value * 1e-3 * count);
}

/* --- models: a handle is an address ------------------------------------------------------------------------------- */

typedef struct Model Model;
typedef struct { uint32_t mark; int type; Model *model; wchar_t name[50]; } Object;
struct Model { uint32_t mark; int loaded; unsigned seed; Object object[OBJECTS]; };
enum { MODEL_MARK = 0x6d6f6465, OBJECT_MARK = 0x6f626a65 };

#pragma pack(push, 1)
typedef struct { uint64_t handle; int32_t type; wchar_t name[50]; } Info;
typedef struct { double start, stop, current; } Times;
typedef struct { uint64_t handle; void *extra; int32_t variable; } Wanted;
#pragma pack(pop)

static Model *model_of(uint64_t handle) { Model *m = (Model *)handle; return m && m->mark == MODEL_MARK ? m : NULL; }
static Object *object_of(uint64_t handle) { Object *o = (Object *)handle; return o && o->mark == OBJECT_MARK ? o : NULL; }
static uint64_t handle_of(void *of) { return (uint64_t)of; }

static unsigned hash(const wchar_t *text) {
    unsigned h = 2166136261u;
    for (; *text; text++) h = (h ^ (unsigned)*text) * 16777619u;
    return h;
}

static int same(const wchar_t *a, const wchar_t *b) { return !wcscasecmp(a, b); }

static int give_text(wchar_t *out, const wchar_t *text) {
    if (out) wcscpy(out, text);
    return (int)wcslen(text) + 1;
}

static void tell(const Object *o, Info *out) {
    out->handle = handle_of((void *)o); out->type = o->type;
    memcpy(out->name, o->name, sizeof out->name);
}

double OrcinaDefaultReal(void) { return 1e307; }
double OrcinaDittoReal(void) { return 1.01e307; }
double OrcinaInfinity(void) { return 1.02e307; }
double OrcinaUndefinedReal(void) { return 1.03e307; }
double OrcinaNullReal(void) { return 1.04e307; }
int C_GetLastErrorStringW(wchar_t *out) { return give_text(out, L"refused by the small native DLL"); }
void C_GetDLLVersionW(const wchar_t *wanted, wchar_t *out, int *ok, int *status) {
    (void)wanted; begin(); give_text(out, L"11.6"); *ok = 1; end(status, 0);
}

void C_CreateModel2(uint64_t *out, void *settings, int *status) {
    (void)settings; begin();
    Model *m = calloc(1, sizeof *m);
    m->mark = MODEL_MARK;
    for (int i = 0; i < OBJECTS; i++) {
        Object *o = &m->object[i];
        o->mark = OBJECT_MARK; o->model = m; o->type = i == 0 ? GENERAL : i == 1 ? ENVIRONMENT : LINE;
        if (i < 2) wcscpy(o->name, i ? L"Environment" : L"General"); else swprintf(o->name, 50, L"Line%d", i - 1);
    }
    long long now = ++alive;
    for (long long most = most_alive; now > most && !atomic_compare_exchange_weak(&most_alive, &most, now);) ;
    *out = handle_of(m); end(status, 0);
}

void C_DestroyModel(uint64_t h, int *status) {
    begin(); Model *m = model_of(h);
    if (m) { m->mark = 0; for (int i = 0; i < OBJECTS; i++) m->object[i].mark = 0; free(m); alive--; }
    end(status, m ? 0 : BAD_MODEL);
}

void C_ClearModel(uint64_t h, int *status) {
    begin(); Model *m = model_of(h); if (m) m->loaded = 0; end(status, m ? 0 : BAD_MODEL);
}

void C_LoadSimulationW(uint64_t h, const wchar_t *file, int *status) {
    nap(COSTS[LOAD_S].value);
    if (COSTS[QUEUE_S].value) { pthread_mutex_lock(&queue); nap(COSTS[QUEUE_S].value); pthread_mutex_unlock(&queue); }
    begin(); compute(COSTS[LOAD_CPU_S].value);
    Model *m = model_of(h); if (m) { m->loaded = 1; m->seed = hash(file); }
    end(status, m ? 0 : BAD_MODEL);
}

void C_GetModelState(uint64_t h, int *out, int *status) {
    begin(); Model *m = model_of(h); if (m) *out = m->loaded ? WITH_RESULTS : 0; end(status, m ? 0 : BAD_MODEL);
}

void C_GetSimulationComplete(uint64_t h, int *out, int *status) {
    begin(); *out = 1; end(status, model_of(h) ? 0 : BAD_MODEL);
}

void C_GetSimulationTimeStatus(uint64_t h, Times *out, int *status) {
    begin(); *out = (Times){0, SAMPLES, SAMPLES}; end(status, model_of(h) ? 0 : BAD_MODEL);
}

void C_GetModelProperty(uint64_t h, int which, void *out, int *status) {
    begin(); Model *m = model_of(h); Object *o = object_of(h); m = m ? m : o ? o->model : NULL;
    if (m && (which == 3 || which == 4)) *(uint64_t *)out = handle_of(&m->object[which - 3]);
    else if (m) *(int *)out = 0;
    end(status, m ? 0 : BAD_MODEL);
}

void C_GetModelHandle(uint64_t h, uint64_t *out, int *status) {
    begin(); Object *o = object_of(h); if (o) *out = handle_of(o->model); end(status, o ? 0 : BAD_OBJECT);
}

/* --- objects, data, results ---------------------------------------------------------------------------------------- */

void C_ObjectCalledW(uint64_t h, const wchar_t *name, Info *out, int *status) {
    begin(); Model *m = model_of(h); int code = m ? NO_SUCH_OBJECT : BAD_MODEL;
    for (int i = 0; m && code && i < OBJECTS; i++)
        if (same(m->object[i].name, name)) { tell(&m->object[i], out); code = 0; }
    end(status, code);
}

void C_EnumerateObjectsW(uint64_t h, void (*take)(uint64_t, Info *), int *count, int *status) {
    begin(); Model *m = model_of(h); *count = m ? OBJECTS : 0;
    for (int i = 0; m && take && i < OBJECTS; i++) { Info info; tell(&m->object[i], &info); take(h, &info); }
    end(status, m ? 0 : BAD_MODEL);
}

void C_GetObjectTypeFromHandle(uint64_t h, int *out, int *status) {
    begin(); Object *o = object_of(h); if (o) *out = o->type; end(status, o ? 0 : BAD_OBJECT);
}

void C_GetDataTypeW(uint64_t h, const wchar_t *name, int *out, int *status) {
    begin(); *out = 2; end(status, !object_of(h) ? BAD_OBJECT : same(name, L"Name") ? 0 : NO_SUCH_DATA);
}

void C_DataRequiresIndexW(uint64_t h, const wchar_t *name, int *out, int *status) {
    begin(); *out = 0; end(status, !object_of(h) ? BAD_OBJECT : same(name, L"Name") ? 0 : NO_SUCH_DATA);
}

int C_GetDataStringW(uint64_t h, const wchar_t *name, int index, wchar_t *out, int *status) {
    (void)name; (void)index; begin(); Object *o = object_of(h); int size = o ? give_text(out, o->name) : 0;
    end(status, o ? 0 : BAD_OBJECT); return size;
}

void C_GetVarIDW(uint64_t h, const wchar_t *name, int *out, int *status) {
    begin(); Object *o = object_of(h); *out = (int)(hash(name) % 1000000);
    end(status, !o ? BAD_OBJECT : o->type == LINE ? 0 : NO_SUCH_VARIABLE);
}

int C_GetNumOfSamples(uint64_t h, void *period, int *status) {
    (void)period; begin(); Model *m = model_of(h); end(status, m && m->loaded ? 0 : NOT_LOADED); return SAMPLES;
}

void C_GetSampleTimes(uint64_t h, void *period, double *out, int *status) {
    (void)period; begin(); Model *m = model_of(h);
    for (int i = 0; i < SAMPLES; i++) out[i] = i;
    end(status, m && m->loaded ? 0 : NOT_LOADED);
}

static void history(const Object *o, int variable, double *out, int step) {
    double phase = (o->model->seed ^ hash(o->name) ^ (unsigned)variable) % 6283 * 1e-3;
    for (int i = 0; i < SAMPLES; i++) out[i * step] = 100 + 10 * sin(0.1 * i + phase);
}

void C_GetTimeHistory2W(uint64_t h, void *extra, void *period, int variable, double *out, int *status) {
    (void)extra; (void)period; begin(); Object *o = object_of(h); int code = !o ? BAD_OBJECT : o->model->loaded ? 0 : NOT_LOADED;
    if (!code) { pass_over_the_log(1); history(o, variable, out, 1); }
    end(status, code);
}

void C_GetMultipleTimeHistoriesW(int count, const Wanted *wanted, void *period, double *out, int *status) {
    (void)period; begin(); int code = 0;
    pass_over_the_log(count);
    for (int i = 0; i < count && !code; i++) {
        Object *o = object_of(wanted[i].handle);
        if (!o) code = BAD_OBJECT; else history(o, wanted[i].variable, out + i, count);
    }
    end(status, code);
}
