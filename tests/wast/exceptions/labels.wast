;; Clauses that go to labels of every kind.

(module
  (tag $e (param i32 i64))
  (tag $n)
  (func $throw (param i32) (if (local.get 0) (then (throw $e (local.get 0) (i64.const 40)))))

  ;; To a loop with parameters: the exception is the next turn's input.
  (func (export "loop") (param $n i32) (result i64)
    (local $sum i64) (local $w i64)
    (i32.const 0) (i64.const 1)
    (loop $again (param i32 i64)
      (local.set $w) (drop)
      (local.set $sum (i64.add (local.get $sum) (local.get $w)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (try_table (catch $e $again)
        (call $throw (i32.gt_s (local.get $n) (i32.const 0)))))
    (local.get $sum))

  ;; To the function itself: it returns the fields.
  (func (export "function") (param i32) (result i32 i64)
    (try_table (catch $e 0) (call $throw (local.get 0)))
    (i32.const -1) (i64.const -1))

  ;; To both arms of an if, and to a label that branches go to as well.
  (func (export "if") (param i32 i32) (result i32 i64)
    (if $out (result i32 i64) (local.get 0)
      (then
        (try_table (catch $e $out) (call $throw (local.get 1)))
        (i32.const 1) (i64.const 1))
      (else
        (br_if $out (i32.const 2) (i64.const 2) (i32.eqz (local.get 1)))
        (drop) (drop)
        (try_table (catch $e $out) (call $throw (local.get 1)))
        (unreachable))))

  ;; Two clauses of different tags to one label; a table of branches to it.
  (func (export "shared") (param i32) (result i32)
    (local $r i32)
    (block $done
      (block $caught
        (try_table (catch $n $caught) (catch_all $caught)
          (block $a (block $b
            (br_table $a $b $caught $done (local.get 0)))
            (throw $n))
          (call $throw (i32.const 3))))
      (local.set $r (i32.const 10)))
    (i32.add (local.get $r) (local.get 0)))

  ;; The first clause that matches wins, inner before outer.
  (func (export "order") (param i32) (result i32)
    (block $outer
      (try_table (catch_all $outer)
        (block $second (result i32 i64)
          (block $first
            (try_table (catch $n $first) (catch $e $second) (catch_all $first)
              (if (i32.eqz (i32.and (local.get 0) (i32.const 1))) (then (throw $n)))
              (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $e (i32.const 7) (i64.const 1))))
              (return (i32.const 100))))
          (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $n)))
          (return (i32.const 1)))
        (drop) (return)))
    (i32.const 50))
)

(assert_return (invoke "loop" (i32.const 1)) (i64.const 1))
(assert_return (invoke "loop" (i32.const 4)) (i64.const 121))
(assert_return (invoke "loop" (i32.const 3000)) (i64.const 119961))
(assert_return (invoke "function" (i32.const 0)) (i32.const -1) (i64.const -1))
(assert_return (invoke "function" (i32.const 6)) (i32.const 6) (i64.const 40))
(assert_return (invoke "if" (i32.const 1) (i32.const 0)) (i32.const 1) (i64.const 1))
(assert_return (invoke "if" (i32.const 1) (i32.const 9)) (i32.const 9) (i64.const 40))
(assert_return (invoke "if" (i32.const 0) (i32.const 0)) (i32.const 2) (i64.const 2))
(assert_return (invoke "if" (i32.const 0) (i32.const 9)) (i32.const 9) (i64.const 40))
(assert_return (invoke "shared" (i32.const 0)) (i32.const 10))
(assert_return (invoke "shared" (i32.const 1)) (i32.const 11))
(assert_return (invoke "shared" (i32.const 2)) (i32.const 12))
(assert_return (invoke "shared" (i32.const 3)) (i32.const 3))
(assert_return (invoke "order" (i32.const 0)) (i32.const 1))
(assert_return (invoke "order" (i32.const 1)) (i32.const 7))
(assert_return (invoke "order" (i32.const 2)) (i32.const 50))
(assert_return (invoke "order" (i32.const 3)) (i32.const 100))
