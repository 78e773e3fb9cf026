"""The code of gates (`gate.py`), as LLVM IR: it looks at what a call depends on, and runs the program if all is well.

A gate's plan is an array of i64 words: the head (`HEAD`), then records. A record is

    (kind, number of words of the whole record, what the kind has)

Kinds and what they have (k, v, p are addresses of objects; an argument is named by its position):

    run                                               the end: all is well, the program runs
    pass                                              the end: all is well, whoever asked runs the program
    array     argument, slot, dtype, n, n sizes, n strides
    tensor    argument, slot, dtype, n, n sizes, n strides
    argument  argument, p                             it is this object
    differ    argument, argument                      they are not one object
    items     dict, n, n times (k, v)                 in order; v = 0: any value
    scope     function, n, n times (k, v)             items of the dict, or of a proxy of one, that the function returns
    elements  list, n, n times p
    entry     dict, k, p                              p = 0: there is none
    variable  cell, p
    context   context variable, p
    slot      object, offset, p                       the object at an offset of another one
    number    tensor, address                         puts the tensor's one float64 there

Objects are read as CPython and NumPy lay them out, and by the functions of Python's C API; `gate.py` finds out whether
that is right here. The interpreter's lock is held but while the program runs.
"""

from __future__ import annotations

import re
from string import Template

from chainrule.backends.native.gate_looks import LOOKS
from chainrule.backends.native.level import Level
from chainrule.backends.native.walk import DESCRIPTOR

# launch, descriptor, table, failed: addresses; running, program: a set and what is in it while the program runs;
# retired: a list that others fill meanwhile.
HEAD = ("arguments", "launch", "descriptor", "table", "failed", "running", "program", "retired")
KINDS = (
    "RUN", "ARRAY", "TENSOR", "ARGUMENT", "DIFFER", "ITEMS", "SCOPE", "ELEMENTS", "ENTRY", "VARIABLE", "CONTEXT",
    "SLOT", "NUMBER", "PASS",
)  # fmt: skip
RUN, ARRAY, TENSOR, ARGUMENT, DIFFER, ITEMS, SCOPE, ELEMENTS, ENTRY, VARIABLE, CONTEXT, SLOT, NUMBER, PASS = range(
    len(KINDS)
)
REFUSED, RAN, LOOK, RETIRED = 0, 1, 2, 4  # what a gate answers; the last two are added to RAN

# What the code has to know: types and other objects, offsets of slots, functions of Python's C API.
OBJECTS = ("ndarray", "float64", "tensor", "value", "mappingproxy", "none", "false")
OFFSETS = ("carrier", "view", "leaf", "array", "needs_grad", "value_leaf")
FUNCTIONS = (
    "PyDict_Next", "PyDict_Size", "PyDict_GetItem", "PyContextVar_Get", "PyObject_CallNoArgs", "PyErr_Clear",
    "PyErr_Occurred", "Py_DecRef", "PySet_Add", "PySet_Discard", "PyEval_SaveThread", "PyEval_RestoreThread",
    "PyLong_FromLong",
)  # fmt: skip
KNOWN = (*OBJECTS, *OFFSETS, *FUNCTIONS)

# Where fields of objects lie, from their beginning, on a CPython whose objects have a head of two words.
FIELDS = {
    "TYPE": 8,
    "SIZE": 16,  # of a tuple or list
    "TUPLE_ITEMS": 24,  # the items themselves
    "LIST_ITEMS": 24,  # the address of the items
    "CELL_CONTENTS": 16,
    "PROXIED": 16,
    "DATA": 16,  # this and the rest of NumPy's array
    "DIMENSIONS": 24,
    "SIZES": 32,
    "STRIDES": 40,
    "DTYPE": 56,
}


def text(level: Level) -> str:
    """The module: `@gate`, a function of C's interface of Python, whose first argument is an array with the plan."""
    names = {name: 8 * k for k, name in enumerate(KNOWN)} | {kind: k for k, kind in enumerate(KINDS)} | FIELDS
    names |= {f"head_{name}": 8 * k for k, name in enumerate(HEAD)}
    names |= {f"descriptor_{name}": 8 * k for k, name in enumerate(DESCRIPTOR)}
    body = Template(LOOKS + _CODE).substitute(names, records=len(HEAD), words=len(KNOWN))
    body = _SHORT.sub(lambda found: _LONG[found[2]].format(found[1], *found[3].split(", ")), body)
    return f'target triple = "{level.triple}"\nattributes #0 = {{ {level.attributes} }}\n{body}'


# The code's short words: a known address or offset; an address or integer at so many bytes; a pointer or word of many.
_LONG = {
    "known": "{0} = load ptr, ptr getelementptr (i8, ptr @known, i64 {1})",
    "offset": "{0} = load i64, ptr getelementptr (i8, ptr @known, i64 {1})",
    "field": "{0}.at = getelementptr i8, ptr {1}, i64 {2}\n  {0} = load ptr, ptr {0}.at",
    "integer": "{0}.at = getelementptr i8, ptr {1}, i64 {2}\n  {0} = load i64, ptr {0}.at",
    "element": "{0}.at = getelementptr ptr, ptr {1}, i64 {2}\n  {0} = load ptr, ptr {0}.at",
    "word": "{0}.at = getelementptr i64, ptr {1}, i64 {2}\n  {0} = load i64, ptr {0}.at",
}
_SHORT = re.compile(r"(%[\w.]+) = (known|offset|field|integer|element|word) (.+)")


_CODE = """
@known = global [$words x i64] zeroinitializer, align 64

; Runs the program without the interpreter's lock. What to answer.
define internal i64 @run(ptr %plan) #0 {
entry:
  %failed_place = field %plan, $head_failed
  store i64 0, ptr %failed_place
  %table = field %plan, $head_table
  %descriptor = field %plan, $head_descriptor
  %table_place = getelementptr i8, ptr %descriptor, i64 $descriptor_table
  store ptr %table, ptr %table_place
  %running = field %plan, $head_running
  %program = field %plan, $head_program
  %add = known $PySet_Add
  %added = call i32 %add(ptr %running, ptr %program)
  %is_in = icmp eq i32 %added, 0
  br i1 %is_in, label %go, label %refuse
refuse:
  ret i64 0
go:
  %release = known $PyEval_SaveThread
  %thread = call ptr %release()
  %launch = field %plan, $head_launch
  call void %launch(ptr %descriptor)
  %acquire = known $PyEval_RestoreThread
  call void %acquire(ptr %thread)
  %discard = known $PySet_Discard
  %discarded = call i32 %discard(ptr %running, ptr %program)
  %left_place = getelementptr i8, ptr %descriptor, i64 $descriptor_left
  %left = load i64, ptr %left_place
  %less = sub i64 %left, 1
  store i64 %less, ptr %left_place
  %error = load i64, ptr %failed_place
  %fine = icmp eq i64 %error, 0
  br i1 %fine, label %answer, label %wrong
wrong:
  ret i64 0
answer:
  %look = icmp sle i64 %less, 0
  %with_look = select i1 %look, i64 3, i64 1
  %retired = field %plan, $head_retired
  %retired_size = integer %retired, $SIZE
  %any = icmp ne i64 %retired_size, 0
  %and_retired = or i64 %with_look, 4
  %outcome = select i1 %any, i64 %and_retired, i64 %with_look
  ret i64 %outcome
}

define ptr @gate(ptr %self, ptr %args) #0 {
entry:
  %plan = field %self, $DATA
  %wanted = load i64, ptr %plan
  %came = integer %args, $SIZE
  %as_many = icmp eq i64 %came, %wanted
  %first = getelementptr i64, ptr %plan, i64 $records
  br i1 %as_many, label %next, label %refuse
next:
  %header = phi ptr [ %first, %entry ], [ %further, %advance ]
  %kind = load i64, ptr %header
  %record = getelementptr i64, ptr %header, i64 2
  switch i64 %kind, label %refuse [
    i64 $RUN, label %run
    i64 $ARRAY, label %array
    i64 $TENSOR, label %tensor
    i64 $ARGUMENT, label %argument
    i64 $DIFFER, label %differ
    i64 $ITEMS, label %items
    i64 $SCOPE, label %scope
    i64 $ELEMENTS, label %elements
    i64 $ENTRY, label %entry_of
    i64 $VARIABLE, label %variable
    i64 $CONTEXT, label %context
    i64 $SLOT, label %slot
    i64 $NUMBER, label %number
    i64 $PASS, label %answer
  ]
array:
  %the_array = call ptr @argument(ptr %args, ptr %record)
  %takes_array = call i1 @takes_array(ptr %plan, ptr %the_array, ptr %record)
  br label %judge
tensor:
  %the_tensor = call ptr @argument(ptr %args, ptr %record)
  %takes_tensor = call i1 @takes_tensor(ptr %plan, ptr %the_tensor, ptr %record)
  br label %judge
argument:
  %the_argument = call ptr @argument(ptr %args, ptr %record)
  %expected = element %record, 1
  %is_it = icmp eq ptr %the_argument, %expected
  br label %judge
differ:
  %one = call ptr @argument(ptr %args, ptr %record)
  %second = getelementptr i64, ptr %record, i64 1
  %other = call ptr @argument(ptr %args, ptr %second)
  %are_two = icmp ne ptr %one, %other
  br label %judge
items:
  %dict = load ptr, ptr %record
  %rest = getelementptr i64, ptr %record, i64 1
  %has_items = call i1 @has_items(ptr %dict, ptr %rest)
  br label %judge
scope:
  %has_scope = call i1 @has_scope(ptr %record)
  br label %judge
elements:
  %has_elements = call i1 @has_elements(ptr %record)
  br label %judge
entry_of:
  %has_entry = call i1 @has_entry(ptr %record)
  br label %judge
variable:
  %cell = load ptr, ptr %record
  %content = element %record, 1
  %has_variable = call i1 @holds(ptr %cell, i64 $CELL_CONTENTS, ptr %content)
  br label %judge
context:
  %has_context = call i1 @has_context(ptr %record)
  br label %judge
slot:
  %object = load ptr, ptr %record
  %offset = word %record, 1
  %held = element %record, 2
  %has_slot = call i1 @holds(ptr %object, i64 %offset, ptr %held)
  br label %judge
number:
  %takes_number = call i1 @takes_number(ptr %record)
  br label %judge
judge:
  %fits = phi i1 [ %takes_array, %array ], [ %takes_tensor, %tensor ], [ %is_it, %argument ], [ %are_two, %differ ],
                 [ %has_items, %items ], [ %has_scope, %scope ], [ %has_elements, %elements ],
                 [ %has_entry, %entry_of ], [ %has_variable, %variable ], [ %has_context, %context ],
                 [ %has_slot, %slot ], [ %takes_number, %number ]
  br i1 %fits, label %advance, label %refuse
advance:
  %length_place = getelementptr i64, ptr %header, i64 1
  %length = load i64, ptr %length_place
  %further = getelementptr i64, ptr %header, i64 %length
  br label %next
run:
  %ran = call i64 @run(ptr %plan)
  %has_run = icmp ne i64 %ran, 0
  br i1 %has_run, label %answer, label %refuse
refuse:
  %occurred = known $PyErr_Occurred
  %raised = call ptr %occurred()
  %is_raised = icmp ne ptr %raised, null
  br i1 %is_raised, label %raise, label %answer
raise:
  ret ptr null
answer:
  %outcome = phi i64 [ %ran, %run ], [ 0, %refuse ], [ 1, %next ]
  %number_of = known $PyLong_FromLong
  %result = call ptr %number_of(i64 %outcome)
  ret ptr %result
}
"""
