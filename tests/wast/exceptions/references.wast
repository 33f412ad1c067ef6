;; References to exceptions: rethrown, kept in tables and globals, thrown more than once.

(module $M
  (tag $e (export "e") (param i32))
  (tag $v (export "v") (param v128 f64 funcref externref exnref))
  (global $g (mut exnref) (ref.null exn))
  (table $t 4 exnref)
  (func $f (export "f") (result i32) (i32.const 77))

  (func $make (param i32) (result exnref)
    (block $h (result i32 exnref)
      (try_table (catch_ref $e $h) (throw $e (local.get 0)))
      unreachable)
    (return))

  (func $value (param $x exnref) (result i32)
    (block $h (result i32)
      (try_table (catch $e $h) (throw_ref (local.get $x)))
      unreachable))

  (func (export "keep") (result i32)
    (local $i i32)
    (global.set $g (call $make (i32.const 1)))
    (loop $l
      (table.set $t (local.get $i) (call $make (i32.add (i32.const 10) (local.get $i))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
    (i32.add (call $value (global.get $g))
      (i32.add (call $value (table.get $t (i32.const 3)))
        (i32.add (call $value (table.get $t (i32.const 0))) (call $value (global.get $g))))))

  (func (export "kept") (result i32)
    (i32.add (call $value (global.get $g)) (call $value (table.get $t (i32.const 2)))))

  ;; Far more exceptions than are kept: those that are not in use go.
  (func (export "churn") (param $n i32) (result i32)
    (local $x exnref) (local $s i32)
    (loop $l
      (local.set $x (call $make (local.get $n)))
      (table.set $t (i32.and (local.get $n) (i32.const 3)) (local.get $x))
      (local.set $s (i32.add (local.get $s) (call $value (local.get $x))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $s))

  ;; An exception in an exception, with fields of all kinds.
  (func (export "fields") (param $x externref) (result i64 f64 i32 externref i32)
    (local $inner exnref) (local $f funcref) (local $d f64)
    (block $h (result v128 f64 funcref externref exnref)
      (try_table (catch $v $h)
        (throw $v (v128.const i64x2 1 2) (f64.const 2.5) (ref.func $f) (local.get $x)
          (call $make (i32.const 6))))
      unreachable)
    (local.set $inner) (local.set $x) (local.set $f) (local.set $d)
    (i64x2.extract_lane 1)
    (local.get $d) (ref.is_null (local.get $f)) (local.get $x) (call $value (local.get $inner)))

  (func (export "null") (throw_ref (ref.null exn)))
  (func (export "null caught") (block $h (try_table (catch_all $h) (throw_ref (ref.null exn)))))

  ;; Each frame catches a reference and throws it again.
  (func $again (export "again") (param $d i32) (result i32)
    (if (i32.eqz (local.get $d)) (then (throw $e (i32.const 3))))
    (block $h (result exnref)
      (try_table (catch_all_ref $h)
        (return (i32.add (i32.const 1) (call $again (i32.sub (local.get $d) (i32.const 1))))))
      unreachable)
    (throw_ref))
  (func (export "again caught") (param $d i32) (result i32)
    (block $h (result i32)
      (try_table (result i32) (catch $e $h) (call $again (local.get $d))))))

(assert_return (invoke "keep") (i32.const 25))
(assert_return (invoke "kept") (i32.const 13))
(assert_return (invoke "churn" (i32.const 60000)) (i32.const 1800030000))
(assert_return (invoke "kept") (i32.const 3))
(assert_return (invoke "fields" (ref.extern 9))
  (i64.const 2) (f64.const 2.5) (i32.const 0) (ref.extern 9) (i32.const 6))
(assert_trap (invoke "null") "null reference")
(assert_trap (invoke "null caught") "null reference")
(assert_exception (invoke "again" (i32.const 50)))
(assert_return (invoke "again caught" (i32.const 0)) (i32.const 3))
(assert_return (invoke "again caught" (i32.const 50)) (i32.const 3))
