;; Two operands in locals, one constant, and a constant on the left.
(module
  (func $add (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func $add_constant (param i64) (result i64) (i64.add (local.get 0) (i64.const 100)))
  (func $subtract_from_constant (param i32) (result i32) (i32.sub (i32.const 9) (local.get 0)))
  (func $shift (param i32 i32) (result i32) (i32.shl (local.get 0) (local.get 1)))
  (func $divide (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func $folded (result i32) (i32.mul (i32.const 6) (i32.const 7))))
