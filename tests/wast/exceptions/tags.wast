;; Tags are told apart by identity: of instance, not of type or index.

(module $A
  (tag $e (export "e") (param i32))
  (func (export "throw") (param i32) (throw $e (local.get 0))))
(register "A" $A)
(module $B
  (tag $e (export "e") (param i32))
  (func (export "throw") (param i32) (throw $e (local.get 0))))
(register "B" $B)

(module
  (tag $a (import "A" "e") (param i32))
  (tag $a2 (import "A" "e") (param i32))
  (tag $b (import "B" "e") (param i32))
  (tag $own (param i32))
  (func $throw_a (import "A" "throw") (param i32))
  (func $throw_b (import "B" "throw") (param i32))

  (func (export "who") (param i32) (result i32)
    (block $ha (result i32) (block $hb (result i32) (block $ho (result i32)
      (try_table (catch $own $ho) (catch $b $hb) (catch $a $ha)
        (if (i32.eqz (local.get 0)) (then (call $throw_a (i32.const 1))))
        (if (i32.eq (local.get 0) (i32.const 1)) (then (call $throw_b (i32.const 2))))
        (throw $own (i32.const 3)))
      unreachable)
      (return (i32.add (i32.const 30))))
      (return (i32.add (i32.const 20))))
    (return (i32.add (i32.const 10))))

  ;; Two imports of one tag: what is thrown as one is caught as the other.
  (func (export "alias") (result i32)
    (block $h (result i32)
      (try_table (catch $b $h) (catch $a2 $h) (throw $a (i32.const 5)))
      unreachable))
  (func (export "no alias") (result i32)
    (block $h (result i32)
      (try_table (catch $b $h) (throw $a (i32.const 5)))
      unreachable))

  ;; A tail call leaves the handlers of its function.
  (func $tail (param i32) (try_table (catch_all 0) (return_call $throw_a (local.get 0))))
  (func (export "tail")  (result i32)
    (block $h (result i32)
      (try_table (catch $a $h) (call $tail (i32.const 8)))
      (return (i32.const -1)))))

(assert_return (invoke "who" (i32.const 0)) (i32.const 11))
(assert_return (invoke "who" (i32.const 1)) (i32.const 22))
(assert_return (invoke "who" (i32.const 2)) (i32.const 33))
(assert_return (invoke "alias") (i32.const 5))
(assert_exception (invoke "no alias"))
(assert_return (invoke "tail") (i32.const 8))

(assert_unlinkable (module (tag (import "A" "e") (param i64))) "incompatible import type")

;; Traps are no exceptions.
(module
  (memory 1)
  (func (export "trap") (block $h (try_table (catch_all $h) (drop (i32.load (i32.const -1))))))
  (func $recurse (call $recurse))
  (func (export "overflow") (block $h (try_table (catch_all $h) (call $recurse))))
  (func (export "start")))
(assert_trap (invoke "trap") "out of bounds memory access")
(assert_exhaustion (invoke "overflow") "call stack exhausted")

(module
  (tag $e)
  (func $f (param i32) (result i32)
    (if (local.get 0) (then (throw $e))) (i32.const 4))
  (table funcref (elem $f))
  (func (export "indirect") (param i32 i32) (result i32)
    (block $h
      (return (try_table (result i32) (catch $e $h)
        (call_indirect (param i32) (result i32) (local.get 0) (local.get 1)))))
    (i32.const 9)))
(assert_return (invoke "indirect" (i32.const 0) (i32.const 0)) (i32.const 4))
(assert_return (invoke "indirect" (i32.const 1) (i32.const 0)) (i32.const 9))
(assert_trap (invoke "indirect" (i32.const 1) (i32.const 7)) "undefined element")
