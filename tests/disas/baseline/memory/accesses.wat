;; Guarded memory needs no check, 64-bit memory does; addresses fold into the operand.
(module
  (memory 1)
  (memory $large i64 1)
  (func $load (param i32) (result i32) (i32.load offset=16 (local.get 0)))
  (func $indexed (param i32 i32) (result i64)
    (i64.load (i32.add (local.get 0) (i32.shl (local.get 1) (i32.const 3)))))
  (func $update (param i32)
    (i32.store (local.get 0) (i32.add (i32.load (local.get 0)) (i32.const 1))))
  (func $checked (param i64) (result i32) (i32.load8_u $large offset=4 (local.get 0))))
