;; A local changes while many operands stand for its value: more than there are registers.
(module
  (func (export "i32_20") (param i32) (result i32)
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0
    (local.set 0 (i32.const 5))
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add
    i32.add i32.add i32.add
    local.get 0
    i32.add)
  (func (export "i64_14") (param i64) (result i64)
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    (local.set 0 (i64.const 5))
    i64.add i64.add i64.add i64.add i64.add i64.add i64.add i64.add
    i64.add i64.add i64.add i64.add i64.add
    local.get 0
    i64.add)
  (func (export "f64_20") (param f64) (result f64)
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0
    (local.set 0 (f64.const 5))
    f64.add f64.add f64.add f64.add f64.add f64.add f64.add f64.add
    f64.add f64.add f64.add f64.add f64.add f64.add f64.add f64.add
    f64.add f64.add f64.add
    local.get 0
    f64.add)
  (func (export "i32_70") (param i32) (result i32)
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    (local.set 0 (i32.const 5))
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add
    i32.add i32.add i32.add i32.add i32.add
    local.get 0
    i32.add)
  (func (export "refs") (param externref) (result i32) (local i32)
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0
    (local.set 0 (ref.null extern))
    ref.is_null local.get 1 i32.add local.set 1 ref.is_null local.get 1 i32.add local.set 1
    ref.is_null local.get 1 i32.add local.set 1 ref.is_null local.get 1 i32.add local.set 1
    ref.is_null local.get 1 i32.add local.set 1 ref.is_null local.get 1 i32.add local.set 1
    ref.is_null local.get 1 i32.add local.set 1 ref.is_null local.get 1 i32.add local.set 1
    ref.is_null local.get 1 i32.add local.set 1 ref.is_null local.get 1 i32.add local.set 1
    ref.is_null local.get 1 i32.add local.set 1 ref.is_null local.get 1 i32.add local.set 1
    ref.is_null local.get 1 i32.add local.set 1 ref.is_null local.get 1 i32.add local.set 1
    ref.is_null local.get 1 i32.add local.set 1 ref.is_null local.get 1 i32.add local.set 1
    ref.is_null local.get 1 i32.add local.set 1 ref.is_null local.get 1 i32.add local.set 1
    ref.is_null local.get 1 i32.add local.set 1 ref.is_null local.get 1 i32.add local.set 1
    (i32.add (local.get 1) (i32.mul (i32.const 100) (ref.is_null (local.get 0)))))
  (func (export "tee") (param i32) (result i32) (local i32)
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 local.get 0 local.get 0
    local.get 0 local.get 0 local.get 0 i32.add i32.add local.tee 0
    i32.sub i32.sub i32.sub i32.sub i32.sub i32.sub i32.sub i32.sub
    i32.sub i32.sub i32.sub i32.sub i32.sub)
)
(assert_return (invoke "i32_20" (i32.const 7)) (i32.const 145))
(assert_return (invoke "i64_14" (i64.const 7)) (i64.const 103))
(assert_return (invoke "f64_20" (f64.const 7)) (f64.const 145))
(assert_return (invoke "i32_70" (i32.const 7)) (i32.const 495))
(assert_return (invoke "refs" (ref.extern 1)) (i32.const 100))
(assert_return (invoke "tee" (i32.const 7)) (i32.const -14))
