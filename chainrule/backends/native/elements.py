"""The LLVM types of elements in registers; in memory a bool is a byte (`nests.in_memory`)."""

ELEMENTS = {
    "bool": "i1",
    "uint8": "i8",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "float32": "float",
    "float64": "double",
}
