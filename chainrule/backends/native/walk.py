"""The code that runs programs, as LLVM IR: the walk over a program's steps, barriers, the workers' loop, a launch.

A program is an array of steps of four i64 words:

    (function, its slots, owner, 0)   a kernel; owner -1: all threads take a part of it; k >= 0: thread k % threads
                                      alone does the whole
    (0, ...)                          the end
    (1, ...)                          a barrier
    (2, ...)                          a barrier behind which all threads leave if the program's error word is not 0

A descriptor tells a launch what to run: see `DESCRIPTOR`. What the threads share lies in the variable `@control`, in
lines of 128 bytes (processors fetch 64-byte lines in pairs), so that threads disturb each other only where they must:

    line 0: arrivals     the barriers' counter; behind it, as in every line that is awaited, how many sleep on it and
                         how often anyone went to sleep; then the verdict of the last barrier of kind 2
    line 1: settings     rounds of spinning before sleep, workers that have come, 1 when they are to come no more
    line 2: launches     1 while a launch has the workers, number of launches
    line 2 + k: worker k number of its last launch, (sleepers, sleeps,) descriptor, threads, arrivals when it began

Counters only grow. A barrier is passed when the arrivals reach a goal that every thread knows: those at the beginning
plus the number of threads for each barrier so far. In a barrier of kind 2 the last to arrive reads the error word,
writes the verdict and only then counts one more: so all threads see one verdict, though a fast one may already run a
kernel that sets the error word anew.
"""

from __future__ import annotations

from string import Template

from chainrule.backends.native.level import Level

END, BARRIER, CHECKED_BARRIER = 0, 1, 2
ALL = -1
STEP_WORDS = 4
MAX_THREADS = 256
_LINES = 2 + 2 * MAX_THREADS  # a launch that is interrupted while a worker starts may leave one more
LINE_BYTES = 128
CONTROL_BYTES = _LINES * LINE_BYTES
SPINS_OFFSET, WORKERS_OFFSET, BUSY_OFFSET = LINE_BYTES, LINE_BYTES + 8, 2 * LINE_BYTES

# The words of a descriptor. Four are sums over launches, written by a launch; nobody sets `runs` back. The last is for
# whoever launches: how many launches there are until it looks at the sums.
DESCRIPTOR = ("program", "table", "scratch", "stride", "threads", "ticks", "launches", "sleeps", "runs", "left")


def text(level: Level, waiting: str) -> str:
    """The module. `waiting` defines `@sleep_on` and `@wake` (`futex.py`, `portable_wait.py`)."""
    machine = _X86 if level.triple.startswith(("x86_64", "amd64")) else _ARM
    shared = Template(_SHARED).substitute(
        bytes=CONTROL_BYTES,
        spins=SPINS_OFFSET,
        workers=WORKERS_OFFSET,
        closed=WORKERS_OFFSET + 8,
        busy=BUSY_OFFSET,
        launches=BUSY_OFFSET + 8,
        last=BUSY_OFFSET,  # worker k's line is k lines behind it
        line=LINE_BYTES,
    )
    head = f'target triple = "{level.triple}"\nattributes #0 = {{ {level.attributes} }}\n'
    return "\n".join([head, machine, waiting, shared])


# What a processor has its own words for: a pause while spinning, a clock that never stops, and the mode of arithmetic.
# Kernels run with rounding to nearest and with denormals, whatever other libraries have set for the calling thread.
_X86 = """
declare void @llvm.x86.sse2.pause()
declare i64 @llvm.readcyclecounter()
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define internal void @pause() #0 {
  call void @llvm.x86.sse2.pause()
  ret void
}
define i64 @clock() #0 {
  %now = call i64 @llvm.readcyclecounter()
  ret i64 %now
}
define internal i64 @mode() #0 {
  %place = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %place)
  %found = load i32, ptr %place
  %settings = and i32 %found, -64  ; the flags of what happened are no settings
  %mode = zext i32 %settings to i64
  ret i64 %mode
}
define internal void @set_mode(i64 %mode) #0 {
  %place = alloca i32
  %settings = trunc i64 %mode to i32
  store i32 %settings, ptr %place
  call void @llvm.x86.sse.ldmxcsr(ptr %place)
  ret void
}
@usual_mode = internal constant i64 8064  ; 0x1F80: no traps
"""

_ARM = """
declare void @llvm.aarch64.isb(i32)
declare i64 @llvm.read_volatile_register.i64(metadata)
!0 = !{!"cntvct_el0"}
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)
define internal void @pause() #0 {
  call void @llvm.aarch64.isb(i32 15)  ; its `yield` does not wait at all
  ret void
}
define i64 @clock() #0 {
  %now = call i64 @llvm.read_volatile_register.i64(metadata !0)
  ret i64 %now
}
define internal i64 @mode() #0 {
  %mode = call i64 @llvm.aarch64.get.fpcr()
  ret i64 %mode
}
define internal void @set_mode(i64 %mode) #0 {
  call void @llvm.aarch64.set.fpcr(i64 %mode)
  ret void
}
@usual_mode = internal constant i64 0
"""

_SHARED = """
@control = global [$bytes x i8] zeroinitializer, align 128

; Returns when the word has reached the goal: spins, then sleeps.
define internal void @await(ptr %word, i64 %goal) #0 {
entry:
  %settings = getelementptr i8, ptr @control, i64 $spins
  %spins = load i64, ptr %settings
  br label %look
look:
  %round = phi i64 [ 0, %entry ], [ %next, %spin ]
  %found = load atomic i64, ptr %word acquire, align 8
  %short = sub i64 %found, %goal
  %reached = icmp sge i64 %short, 0
  br i1 %reached, label %out, label %spin
spin:
  call void @pause()
  %next = add i64 %round, 1
  %again = icmp ult i64 %next, %spins
  br i1 %again, label %look, label %sleep
sleep:
  ; Announced first, looked at again afterwards: whoever changes the word does it the other way round, so that one of
  ; the two sees the other.
  %sleepers = getelementptr i8, ptr %word, i64 8
  %sleeps = getelementptr i8, ptr %word, i64 16
  %one = atomicrmw add ptr %sleepers, i64 1 seq_cst
  %two = atomicrmw add ptr %sleeps, i64 1 monotonic
  br label %check
check:
  %naps = phi i64 [ 0, %sleep ], [ %more, %nap ]
  %now = load atomic i64, ptr %word seq_cst, align 8
  %still = sub i64 %now, %goal
  %woken = icmp sge i64 %still, 0
  br i1 %woken, label %awake, label %nap
nap:
  %low = trunc i64 %now to i32
  call void @sleep_on(ptr %word, i32 %low, i64 %naps)
  %more = add i64 %naps, 1
  br label %check
awake:
  %three = atomicrmw sub ptr %sleepers, i64 1 monotonic
  br label %out
out:
  ret void
}

define internal void @wake_sleepers(ptr %word) #0 {
  %place = getelementptr i8, ptr %word, i64 8
  %sleepers = load atomic i64, ptr %place seq_cst, align 8
  %any = icmp ne i64 %sleepers, 0
  br i1 %any, label %call, label %out
call:
  call void @wake(ptr %word)
  br label %out
out:
  ret void
}

; Counts an arrival at a barrier; the last one wakes those who sleep there. Whether it was the last.
define internal i1 @arrive(i64 %goal) #0 {
  %ahead = atomicrmw add ptr @control, i64 1 seq_cst
  %arrived = add i64 %ahead, 1
  %last = icmp eq i64 %arrived, %goal
  br i1 %last, label %wake, label %out
wake:
  call void @wake_sleepers(ptr @control)
  br label %out
out:
  ret i1 %last
}

; Runs a program as one of some threads. Returns the arrivals that its barriers have made, on top of those before.
define internal i64 @walk(ptr %program, ptr %table, ptr %scratch, i64 %thread, i64 %threads, i64 %before) #0 {
entry:
  %alone = icmp eq i64 %threads, 1
  br label %next
next:
  %step = phi ptr [ %program, %entry ], [ %further, %advance ]
  %goal = phi i64 [ %before, %entry ], [ %passed, %advance ]
  %code = load i64, ptr %step
  switch i64 %code, label %kernel [
    i64 0, label %end
    i64 1, label %barrier
    i64 2, label %checked
  ]
end:
  ret i64 %goal

kernel:
  %function = inttoptr i64 %code to ptr
  %slots_place = getelementptr i64, ptr %step, i64 1
  %slots = load ptr, ptr %slots_place
  %owner_place = getelementptr i64, ptr %step, i64 2
  %owner = load i64, ptr %owner_place
  %shared = icmp slt i64 %owner, 0
  br i1 %shared, label %part, label %owned
part:
  call void %function(ptr %table, ptr %slots, ptr %scratch, i64 %thread, i64 %threads)
  br label %advance
owned:
  %turn = urem i64 %owner, %threads
  %mine = icmp eq i64 %turn, %thread
  br i1 %mine, label %whole, label %advance
whole:
  call void %function(ptr %table, ptr %slots, ptr %scratch, i64 0, i64 1)
  br label %advance

barrier:
  br i1 %alone, label %advance, label %meet
meet:
  %met = add i64 %goal, %threads
  %last = call i1 @arrive(i64 %met)
  br i1 %last, label %advance, label %wait
wait:
  call void @await(ptr @control, i64 %met)
  br label %advance

checked:
  %verdict = getelementptr i8, ptr @control, i64 24
  %error_word = load ptr, ptr %table
  br i1 %alone, label %look_alone, label %meet_checked
look_alone:
  %own_error = load i64, ptr %error_word
  br label %judge
meet_checked:
  %all_met = add i64 %goal, %threads
  %met_checked = add i64 %all_met, 1
  %ahead_checked = atomicrmw add ptr @control, i64 1 seq_cst
  %arrived_checked = add i64 %ahead_checked, 1
  %last_checked = icmp eq i64 %arrived_checked, %all_met
  br i1 %last_checked, label %decide, label %wait_checked
decide:
  %error = load i64, ptr %error_word
  store i64 %error, ptr %verdict
  %released = atomicrmw add ptr @control, i64 1 seq_cst
  call void @wake_sleepers(ptr @control)
  br label %judge
wait_checked:
  call void @await(ptr @control, i64 %met_checked)
  %told = load i64, ptr %verdict
  br label %judge
judge:
  %judged = phi i64 [ %own_error, %look_alone ], [ %error, %decide ], [ %told, %wait_checked ]
  %judged_goal = phi i64 [ %goal, %look_alone ], [ %met_checked, %decide ], [ %met_checked, %wait_checked ]
  %fine = icmp eq i64 %judged, 0
  br i1 %fine, label %advance, label %leave
leave:
  ret i64 %judged_goal

advance:
  %passed = phi i64 [ %goal, %part ], [ %goal, %owned ], [ %goal, %whole ], [ %goal, %barrier ], [ %met, %meet ],
                    [ %met, %wait ], [ %judged_goal, %judge ]
  %further = getelementptr i64, ptr %step, i64 4
  br label %next
}

; Runs a descriptor's program as one of some threads.
define internal i64 @take_part(ptr %descriptor, i64 %thread, i64 %threads, i64 %before) #0 {
  %program = load ptr, ptr %descriptor
  %table_place = getelementptr i64, ptr %descriptor, i64 1
  %table = load ptr, ptr %table_place
  %scratch_place = getelementptr i64, ptr %descriptor, i64 2
  %scratches = load ptr, ptr %scratch_place
  %stride_place = getelementptr i64, ptr %descriptor, i64 3
  %stride = load i64, ptr %stride_place
  %offset = mul i64 %thread, %stride
  %scratch = getelementptr i8, ptr %scratches, i64 %offset
  %goal = call i64 @walk(ptr %program, ptr %table, ptr %scratch, i64 %thread, i64 %threads, i64 %before)
  ret i64 %goal
}

; A worker: takes a number, then takes part in the launches that are put into its line, until one has no descriptor.
define void @work() #0 {
entry:
  %mode = load i64, ptr @usual_mode
  call void @set_mode(i64 %mode)
  %workers = getelementptr i8, ptr @control, i64 $workers
  %others = atomicrmw add ptr %workers, i64 1 seq_cst
  %thread = add i64 %others, 1
  %closed_place = getelementptr i8, ptr @control, i64 $closed
  %closed = load atomic i64, ptr %closed_place seq_cst, align 8
  %late = icmp ne i64 %closed, 0
  br i1 %late, label %out, label %begin
begin:
  %lines = mul i64 %thread, $line
  %from = add i64 %lines, $last
  %line = getelementptr i8, ptr @control, i64 %from
  %descriptor_place = getelementptr i64, ptr %line, i64 3
  %threads_place = getelementptr i64, ptr %line, i64 4
  %before_place = getelementptr i64, ptr %line, i64 5
  br label %next
next:
  %done = phi i64 [ 0, %begin ], [ %number, %run ]
  %goal = add i64 %done, 1
  call void @await(ptr %line, i64 %goal)
  %number = load atomic i64, ptr %line acquire, align 8
  %descriptor = load ptr, ptr %descriptor_place
  %quit = icmp eq ptr %descriptor, null
  br i1 %quit, label %out, label %run
run:
  %threads = load i64, ptr %threads_place
  %before = load i64, ptr %before_place
  %ended = call i64 @take_part(ptr %descriptor, i64 %thread, i64 %threads, i64 %before)
  %all = add i64 %ended, %threads
  %last = call i1 @arrive(i64 %all)
  br label %next
out:
  ret void
}

; Puts a launch into the lines of workers 1 to threads - 1.
define internal void @call_workers(ptr %descriptor, i64 %threads, i64 %before) #0 {
entry:
  %launches = getelementptr i8, ptr @control, i64 $launches
  %done = load i64, ptr %launches
  %number = add i64 %done, 1
  store i64 %number, ptr %launches
  br label %put
put:
  %k = phi i64 [ 1, %entry ], [ %next, %put ]
  %offset = mul i64 %k, $line
  %from = add i64 %offset, $last
  %line = getelementptr i8, ptr @control, i64 %from
  %descriptor_place = getelementptr i64, ptr %line, i64 3
  %threads_place = getelementptr i64, ptr %line, i64 4
  %before_place = getelementptr i64, ptr %line, i64 5
  store ptr %descriptor, ptr %descriptor_place
  store i64 %threads, ptr %threads_place
  store i64 %before, ptr %before_place
  store atomic i64 %number, ptr %line release, align 8
  %next = add i64 %k, 1
  %more = icmp ult i64 %next, %threads
  br i1 %more, label %put, label %put_all
put_all:
  fence seq_cst
  br label %rouse
rouse:
  %j = phi i64 [ 1, %put_all ], [ %following, %rouse ]
  %distance = mul i64 %j, $line
  %place = add i64 %distance, $last
  %word = getelementptr i8, ptr @control, i64 %place
  call void @wake_sleepers(ptr %word)
  %following = add i64 %j, 1
  %others = icmp ult i64 %following, %threads
  br i1 %others, label %rouse, label %out
out:
  ret void
}

; 1 if the caller now has the workers, until it stores 0 into the word.
define internal i1 @seize_workers() #0 {
  %busy = getelementptr i8, ptr @control, i64 $busy
  %pair = cmpxchg ptr %busy, i64 0, i64 1 acquire monotonic
  %mine = extractvalue { i64, i1 } %pair, 1
  ret i1 %mine
}

; Runs a descriptor's program, as thread 0 of as many as it wants, of one if another launch has the workers.
define void @launch(ptr %descriptor) #0 {
entry:
  %began = call i64 @clock()
  %mode = call i64 @mode()
  %usual = load i64, ptr @usual_mode
  %changed = icmp ne i64 %mode, %usual
  br i1 %changed, label %change, label %count
change:
  call void @set_mode(i64 %usual)
  br label %count
count:
  %threads_place = getelementptr i64, ptr %descriptor, i64 4
  %wanted = load i64, ptr %threads_place
  %many = icmp ugt i64 %wanted, 1
  br i1 %many, label %limit, label %alone
limit:
  %workers_place = getelementptr i8, ptr @control, i64 $workers
  %workers = load atomic i64, ptr %workers_place acquire, align 8
  %there = add i64 %workers, 1
  %fewer = icmp ult i64 %there, %wanted
  %threads = select i1 %fewer, i64 %there, i64 %wanted
  %some = icmp ugt i64 %threads, 1
  br i1 %some, label %seize, label %alone
seize:
  %mine = call i1 @seize_workers()
  br i1 %mine, label %together, label %alone
alone:
  %nothing = call i64 @take_part(ptr %descriptor, i64 0, i64 1, i64 0)
  br label %finish
together:
  %sleeps_place = getelementptr i8, ptr @control, i64 16
  %sleeps_before = load atomic i64, ptr %sleeps_place monotonic, align 8
  %before = load atomic i64, ptr @control monotonic, align 8
  call void @call_workers(ptr %descriptor, i64 %threads, i64 %before)
  %goal = call i64 @take_part(ptr %descriptor, i64 0, i64 %threads, i64 %before)
  %all = add i64 %goal, %threads
  %last = call i1 @arrive(i64 %all)
  call void @await(ptr @control, i64 %all)
  %sleeps_after = load atomic i64, ptr %sleeps_place monotonic, align 8
  %sleeps = sub i64 %sleeps_after, %sleeps_before
  %busy = getelementptr i8, ptr @control, i64 $busy
  store atomic i64 0, ptr %busy release, align 8
  br label %finish
finish:
  %slept = phi i64 [ 0, %alone ], [ %sleeps, %together ]
  br i1 %changed, label %restore, label %note
restore:
  call void @set_mode(i64 %mode)
  br label %note
note:
  %ended = call i64 @clock()
  %ticks = sub i64 %ended, %began
  call void @add_to(ptr %descriptor, i64 5, i64 %ticks)
  call void @add_to(ptr %descriptor, i64 6, i64 1)
  call void @add_to(ptr %descriptor, i64 7, i64 %slept)
  call void @add_to(ptr %descriptor, i64 8, i64 1)
  ret void
}

define internal void @add_to(ptr %descriptor, i64 %word, i64 %amount) #0 {
  %place = getelementptr i64, ptr %descriptor, i64 %word
  %before = load i64, ptr %place
  %after = add i64 %before, %amount
  store i64 %after, ptr %place
  ret void
}

; Sends the workers home, and never gives them back: later launches run alone. 0 if a launch has them.
define i64 @dismiss() #0 {
  %mine = call i1 @seize_workers()
  br i1 %mine, label %call, label %busy
call:
  ; A worker on its way counts itself and then looks here; this is done the other way round, as in @await.
  %closed = getelementptr i8, ptr @control, i64 $closed
  store atomic i64 1, ptr %closed seq_cst, align 8
  fence seq_cst
  %workers_place = getelementptr i8, ptr @control, i64 $workers
  %workers = load atomic i64, ptr %workers_place acquire, align 8
  %threads = add i64 %workers, 1
  call void @call_workers(ptr null, i64 %threads, i64 0)
  ret i64 1
busy:
  ret i64 0
}

; For measuring what a pause costs.
define void @pauses(i64 %count) #0 {
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %following, %next ]
  call void @pause()
  %following = add i64 %k, 1
  %more = icmp ult i64 %following, %count
  br i1 %more, label %next, label %out
out:
  ret void
}
declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.umax.i64(i64, i64)
"""
