;; Masks of bits that are clear already are left out.
(module
  (memory 1)
  (func $byte (param i32) (result i32)
    (i32.and (i32.load8_u (local.get 0)) (i32.const 255)))
  (func $truth (param i32 i32) (result i32)
    (i32.and (i32.lt_s (local.get 0) (local.get 1)) (i32.const 1)))
  (func $some (param i32) (result i32)
    (i32.and (i32.load8_u (local.get 0)) (i32.const 127))))
