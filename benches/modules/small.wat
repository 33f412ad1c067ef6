;; A small module as a request handler may be: one page of memory, one data segment, one
;; table, one function to call. It measures instantiate + call + drop.
(module
  (memory (export "memory") 1)
  (table 2 funcref)
  (elem (i32.const 0) $answer $double)
  (global $calls (mut i32) (i32.const 0))
  (data (i32.const 16) "forty-two")
  (func $answer (result i32) (i32.load8_u (i32.const 16)))
  (func $double (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))
  (func (export "run") (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (call $double (call $answer))))
