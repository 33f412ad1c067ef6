;; A local that was read keeps its value on the operand stack when it is written afterwards.
(module
  (func (export "set_after_get") (param i32 i32) (result i32)
    local.get 0
    (local.set 0 (local.get 1))
    local.get 0
    i32.const 1000
    i32.mul
    i32.add)
  (func (export "tee_after_get") (param i32) (result i32)
    local.get 0
    (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
    local.get 0
    i32.mul
    i32.sub)
  (func (export "swap") (param i32 i32) (result i32 i32)
    local.get 0
    local.get 1
    local.set 0
    local.set 1
    local.get 0
    local.get 1)
  (func (export "set_in_branch") (param i32 i32) (result i32)
    local.get 0
    (if (local.get 1) (then (local.set 0 (i32.const 77))))
    local.get 0
    i32.sub)
  (func (export "set_in_loop") (param i32) (result i32) (local i32)
    local.get 0
    (loop
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    local.get 1
    i32.add)
  (func (export "float_set") (param f64) (result f64)
    local.get 0
    (local.set 0 (f64.const 5))
    local.get 0
    f64.sub)
  (func (export "across_call") (param i32) (result i32)
    local.get 0
    (call $id (local.get 0))
    (local.set 0 (i32.const 3))
    i32.sub
    local.get 0
    i32.add)
  (func $id (param i32) (result i32)
    (local.set 0 (i32.add (local.get 0) (i32.const 10))) local.get 0)
  (func (export "constant_then_set") (param i32) (result i32)
    (local.set 0 (i32.const 40))
    local.get 0
    (local.set 0 (i32.const 2))
    local.get 0
    i32.add))
(assert_return (invoke "set_after_get" (i32.const 1) (i32.const 2)) (i32.const 2001))
(assert_return (invoke "tee_after_get" (i32.const 3)) (i32.const -13))
(assert_return (invoke "swap" (i32.const 1) (i32.const 2)) (i32.const 2) (i32.const 1))
(assert_return (invoke "set_in_branch" (i32.const 80) (i32.const 1)) (i32.const 3))
(assert_return (invoke "set_in_branch" (i32.const 80) (i32.const 0)) (i32.const 0))
(assert_return (invoke "set_in_loop" (i32.const 4)) (i32.const 14))
(assert_return (invoke "float_set" (f64.const 7)) (f64.const 2))
(assert_return (invoke "across_call" (i32.const 1)) (i32.const -7))
(assert_return (invoke "constant_then_set" (i32.const 0)) (i32.const 42))
