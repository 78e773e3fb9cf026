"""How the code of gates (`gate_code.py`) looks at objects: one function for each kind of record, in its short words.

Each gets the record behind its first two words, and says whether all is as the record has it.
"""

LOOKS = """
; Whether an object is there and of exactly this type.
define internal i1 @is_a(ptr %object, ptr %type) #0 {
entry:
  %missing = icmp eq ptr %object, null
  br i1 %missing, label %no, label %look
look:
  %found = field %object, $TYPE
  %same = icmp eq ptr %found, %type
  ret i1 %same
no:
  ret i1 0
}
; Whether this is what lies at an offset of an object.
define internal i1 @holds(ptr %object, i64 %offset, ptr %wanted) #0 {
  %found = field %object, %offset
  %same = icmp eq ptr %found, %wanted
  ret i1 %same
}
define internal ptr @argument(ptr %args, ptr %record) #0 {
  %k = load i64, ptr %record
  %items = getelementptr i8, ptr %args, i64 $TUPLE_ITEMS
  %found = element %items, %k
  ret ptr %found
}

; Whether the array is like the record says; if so, puts the address of its elements into the program's table.
define internal i1 @takes_array(ptr %plan, ptr %array, ptr %record) #0 {
entry:
  %is_array.type = known $ndarray
  %is_array = call i1 @is_a(ptr %array, ptr %is_array.type)
  br i1 %is_array, label %type, label %no
type:
  %dtype = field %array, $DTYPE
  %wanted = element %record, 2
  %same_dtype = icmp eq ptr %dtype, %wanted
  br i1 %same_dtype, label %rank_of, label %no
rank_of:
  %rank_place = getelementptr i8, ptr %array, i64 $DIMENSIONS
  %rank_now = load i32, ptr %rank_place
  %rank = zext i32 %rank_now to i64
  %wanted_rank = word %record, 3
  %same_rank = icmp eq i64 %rank, %wanted_rank
  br i1 %same_rank, label %begin, label %no
begin:
  %sizes = field %array, $SIZES
  %strides = field %array, $STRIDES
  %wanted_sizes = getelementptr i64, ptr %record, i64 4
  %wanted_strides = getelementptr i64, ptr %wanted_sizes, i64 %rank
  br label %next
next:
  %k = phi i64 [ 0, %begin ], [ %following, %stride_of ]
  %more = icmp ult i64 %k, %rank
  br i1 %more, label %size_of, label %place
size_of:
  %size = word %sizes, %k
  %wanted_size = word %wanted_sizes, %k
  %same_size = icmp eq i64 %size, %wanted_size
  br i1 %same_size, label %stride_of, label %no
stride_of:
  %stride = word %strides, %k
  %wanted_stride = word %wanted_strides, %k
  %same_stride = icmp eq i64 %stride, %wanted_stride
  %following = add i64 %k, 1
  br i1 %same_stride, label %next, label %no
place:
  %slot = word %record, 1
  %read = icmp ne i64 %slot, 0
  br i1 %read, label %put, label %yes
put:
  %data = field %array, $DATA
  %table = field %plan, $head_table
  %target = getelementptr ptr, ptr %table, i64 %slot
  store ptr %data, ptr %target
  br label %yes
yes:
  ret i1 1
no:
  ret i1 0
}

; The same of a tensor that stands for itself alone: no view, no leaf, not on the tape.
define internal i1 @takes_tensor(ptr %plan, ptr %tensor, ptr %record) #0 {
entry:
  %is_tensor.type = known $tensor
  %is_tensor = call i1 @is_a(ptr %tensor, ptr %is_tensor.type)
  br i1 %is_tensor, label %handle, label %no
handle:
  %no_view.offset = offset $view
  %no_view.wanted = known $none
  %no_view = call i1 @holds(ptr %tensor, i64 %no_view.offset, ptr %no_view.wanted)
  %no_leaf.offset = offset $leaf
  %no_leaf.wanted = known $none
  %no_leaf = call i1 @holds(ptr %tensor, i64 %no_leaf.offset, ptr %no_leaf.wanted)
  %alone = and i1 %no_view, %no_leaf
  %carrier_at = offset $carrier
  %carrier = field %tensor, %carrier_at
  %is_value.type = known $value
  %is_value = call i1 @is_a(ptr %carrier, ptr %is_value.type)
  %plain = and i1 %alone, %is_value
  br i1 %plain, label %value, label %no
value:
  %no_gradient.offset = offset $needs_grad
  %no_gradient.wanted = known $false
  %no_gradient = call i1 @holds(ptr %carrier, i64 %no_gradient.offset, ptr %no_gradient.wanted)
  %no_token.offset = offset $value_leaf
  %no_token.wanted = known $none
  %no_token = call i1 @holds(ptr %carrier, i64 %no_token.offset, ptr %no_token.wanted)
  %free = and i1 %no_gradient, %no_token
  br i1 %free, label %inner, label %no
inner:
  %array_at = offset $array
  %array = field %carrier, %array_at
  %takes = call i1 @takes_array(ptr %plan, ptr %array, ptr %record)
  ret i1 %takes
no:
  ret i1 0
}

; Whether a dict has these items: n, then n times (key, value).
define internal i1 @has_items(ptr %dict, ptr %record) #0 {
entry:
  %position = alloca i64
  %key = alloca ptr
  %value = alloca ptr
  store i64 0, ptr %position
  %count = load i64, ptr %record
  %size_of = known $PyDict_Size
  %size = call i64 %size_of(ptr %dict)
  %same_size = icmp eq i64 %size, %count
  br i1 %same_size, label %begin, label %no
begin:
  %next_of = known $PyDict_Next
  br label %next
next:
  %k = phi i64 [ 0, %begin ], [ %following, %fine ]
  %more = icmp ult i64 %k, %count
  br i1 %more, label %take, label %yes
take:
  %found = call i32 %next_of(ptr %dict, ptr %position, ptr %key, ptr %value)
  %is_found = icmp ne i32 %found, 0
  br i1 %is_found, label %compare, label %no
compare:
  %twice = shl i64 %k, 1
  %key_at = add i64 %twice, 1
  %value_at = add i64 %twice, 2
  %wanted_key = element %record, %key_at
  %wanted_value = element %record, %value_at
  %key_now = load ptr, ptr %key
  %value_now = load ptr, ptr %value
  %same_key = icmp eq ptr %key_now, %wanted_key
  %same_value = icmp eq ptr %value_now, %wanted_value
  %any_value = icmp eq ptr %wanted_value, null
  %value_fits = or i1 %same_value, %any_value
  %fits = and i1 %same_key, %value_fits
  br i1 %fits, label %fine, label %no
fine:
  %following = add i64 %k, 1
  br label %next
yes:
  ret i1 1
no:
  ret i1 0
}

; What the function raises (Ctrl-C comes while Python runs) stays raised.
define internal i1 @has_scope(ptr %record) #0 {
entry:
  %read = load ptr, ptr %record
  %items = getelementptr ptr, ptr %record, i64 1
  %call = known $PyObject_CallNoArgs
  %scope = call ptr %call(ptr %read)
  %missing = icmp eq ptr %scope, null
  br i1 %missing, label %raised, label %look
look:
  %is_proxy.type = known $mappingproxy
  %is_proxy = call i1 @is_a(ptr %scope, ptr %is_proxy.type)
  br i1 %is_proxy, label %behind, label %compare
behind:
  %proxied = field %scope, $PROXIED
  br label %compare
compare:
  %dict = phi ptr [ %scope, %look ], [ %proxied, %behind ]
  %has = call i1 @has_items(ptr %dict, ptr %items)
  %release = known $Py_DecRef
  call void %release(ptr %scope)
  br i1 %has, label %yes, label %no
yes:
  ret i1 1
no:  ; it may be no dict at all
  %forget = known $PyErr_Clear
  call void %forget()
  ret i1 0
raised:
  ret i1 0
}

define internal i1 @has_elements(ptr %record) #0 {
entry:
  %list = load ptr, ptr %record
  %count = word %record, 1
  %size = integer %list, $SIZE
  %same_size = icmp eq i64 %size, %count
  br i1 %same_size, label %begin, label %no
begin:
  %items = field %list, $LIST_ITEMS
  br label %next
next:
  %k = phi i64 [ 0, %begin ], [ %following, %compare ]
  %more = icmp ult i64 %k, %count
  br i1 %more, label %compare, label %yes
compare:
  %at = add i64 %k, 2
  %wanted = element %record, %at
  %found = element %items, %k
  %same = icmp eq ptr %found, %wanted
  %following = add i64 %k, 1
  br i1 %same, label %next, label %no
yes:
  ret i1 1
no:
  ret i1 0
}

define internal i1 @has_entry(ptr %record) #0 {
  %dict = load ptr, ptr %record
  %key = element %record, 1
  %wanted = element %record, 2
  %get = known $PyDict_GetItem
  %found = call ptr %get(ptr %dict, ptr %key)
  %same = icmp eq ptr %found, %wanted
  ret i1 %same
}

define internal i1 @has_context(ptr %record) #0 {
entry:
  %place = alloca ptr
  %variable = load ptr, ptr %record
  %wanted = element %record, 1
  %get = known $PyContextVar_Get
  %status = call i32 %get(ptr %variable, ptr null, ptr %place)
  %found = load ptr, ptr %place
  %fine = icmp eq i32 %status, 0
  %some = icmp ne ptr %found, null
  %good = and i1 %fine, %some
  br i1 %good, label %compare, label %failed
compare:
  %release = known $Py_DecRef
  call void %release(ptr %found)
  %same = icmp eq ptr %found, %wanted
  ret i1 %same
failed:
  ret i1 0
}

; Puts a tensor's number where the program reads it; not if it is something else than one float64.
define internal i1 @takes_number(ptr %record) #0 {
entry:
  %tensor = load ptr, ptr %record
  %target = element %record, 1
  %carrier_at = offset $carrier
  %carrier = field %tensor, %carrier_at
  %is_value.type = known $value
  %is_value = call i1 @is_a(ptr %carrier, ptr %is_value.type)
  br i1 %is_value, label %value, label %no
value:
  %array_at = offset $array
  %array = field %carrier, %array_at
  %is_array.type = known $ndarray
  %is_array = call i1 @is_a(ptr %array, ptr %is_array.type)
  br i1 %is_array, label %type, label %no
type:
  %dtype = field %array, $DTYPE
  %float64 = known $float64
  %is_float64 = icmp eq ptr %dtype, %float64
  %rank_place = getelementptr i8, ptr %array, i64 $DIMENSIONS
  %rank = load i32, ptr %rank_place
  %is_one = icmp eq i32 %rank, 0
  %is_number = and i1 %is_float64, %is_one
  br i1 %is_number, label %put, label %no
put:
  %data = field %array, $DATA
  %number = load double, ptr %data, align 1
  store double %number, ptr %target
  ret i1 1
no:
  ret i1 0
}
"""
