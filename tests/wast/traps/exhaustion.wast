;; The stack runs out in functions with small and large frames, and the instance works on.
(module
  (func $small (export "small") (param i32) (result i32)
    (i32.add (call $small (local.get 0)) (i32.const 1)))
  (func $large (export "large") (param i32) (result i32)
    (local v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128)
    (i32.add (call $large (local.get 0)) (i32.const 1)))
  (func (export "fine") (result i32) (i32.const 7)))
(assert_exhaustion (invoke "small" (i32.const 0)) "call stack exhausted")
(assert_exhaustion (invoke "large" (i32.const 0)) "call stack exhausted")
(assert_return (invoke "fine") (i32.const 7))
(assert_exhaustion (invoke "small" (i32.const 0)) "call stack exhausted")
