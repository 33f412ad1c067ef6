;; `array.new` with lengths and values known at run time only, with constants that are 0 or null, and
;; with references on the operand stack and in locals meanwhile, which a collection may move.

(module
  (type $i32 (array (mut i32)))
  (type $f64 (array (mut f64)))
  (type $v128 (array (mut v128)))
  (type $box (struct (field i32)))
  (type $boxes (array (mut (ref null $box))))

  ;; Makes arrays of all lengths below one: the sum of their lengths, and of their elements.
  (func (export "zeros") (param $most i32) (result i32) (local $n i32) (local $sum i32)
    (local $a (ref $i32)) (local $b (ref $f64)) (local $c (ref $boxes)) (local $d (ref $v128))
    (loop $l
      ;; What lies there afterwards is not 0.
      (drop (array.new $i32 (i32.const -1) (local.get $n)))
      (local.set $a (array.new $i32 (i32.const 0) (local.get $n)))
      (local.set $b (array.new $f64 (f64.const 0) (local.get $n)))
      (local.set $c (array.new $boxes (ref.null $box) (local.get $n)))
      (local.set $d (array.new $v128 (v128.const i64x2 0 5) (local.get $n)))
      (local.set $sum (i32.add (local.get $sum)
        (i32.add (i32.add (array.len (local.get $a)) (array.len (local.get $b)))
          (i32.add (array.len (local.get $c)) (array.len (local.get $d))))))
      (if (local.get $n)
        (then
          (local.set $sum (i32.add (local.get $sum)
            (array.get $i32 (local.get $a) (i32.sub (local.get $n) (i32.const 1)))))
          (if (f64.ne (array.get $f64 (local.get $b) (i32.const 0)) (f64.const 0))
            (then unreachable))
          (if (i64.ne (i64.const 5)
              (i64x2.extract_lane 1 (array.get $v128 (local.get $d) (i32.const 0))))
            (then unreachable))
          (if (i32.eqz (ref.is_null (array.get $boxes (local.get $c) (i32.const 0))))
            (then unreachable))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (local.get $most))))
    (local.get $sum))

  ;; Negative zero is not the same as zero.
  (func (export "negative-zero") (param $n i32) (result i64)
    (i64.reinterpret_f64
      (array.get $f64 (array.new $f64 (f64.const -0) (local.get $n)) (i32.const 0))))

  (func $number (param $a (ref null $boxes)) (param $i i32) (result i32)
    (struct.get $box 0 (array.get $boxes (local.get $a) (local.get $i))))

  ;; References on the operand stack below the array, in its value, and in a local.
  (func (export "references") (param $most i32) (result i32)
    (local $n i32) (local $sum i32) (local $kept (ref $box)) (local $a (ref $boxes))
    (local.set $n (i32.const 1))
    (loop $l
      (local.set $kept (struct.new $box (local.get $n)))
      (struct.get $box 0 (struct.new $box (i32.const 1000)))
      (struct.new $box (i32.const 10))
      (local.set $a (array.new $boxes (struct.new $box (local.get $n)) (local.get $n)))
      (array.new_default $boxes (local.get $n))
      (if (i32.ne (array.len) (local.get $n)) (then unreachable))
      (struct.get $box 0)
      i32.add
      i32.const 1010
      i32.ne
      (if (then unreachable))
      (if (i32.ne (struct.get $box 0 (local.get $kept)) (local.get $n)) (then unreachable))
      (local.set $sum (i32.add (local.get $sum)
        (i32.sub (call $number (local.get $a) (i32.const 0)) (local.get $n))))
      (local.set $sum (i32.add (local.get $sum)
        (call $number (local.get $a) (i32.sub (local.get $n) (i32.const 1)))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (local.get $most))))
    (local.get $sum))

  (func (export "too-long") (param $n i32) (result i32)
    (array.len (array.new_default $i32 (local.get $n)))))

(assert_return (invoke "zeros" (i32.const 3)) (i32.const 12))
(assert_return (invoke "zeros" (i32.const 140)) (i32.const 38920))
(assert_return (invoke "negative-zero" (i32.const 3)) (i64.const 0x8000000000000000))
(assert_return (invoke "references" (i32.const 3)) (i32.const 3))
(assert_return (invoke "references" (i32.const 140)) (i32.const 9730))
(assert_return (invoke "too-long" (i32.const 5)) (i32.const 5))
(assert_trap (invoke "too-long" (i32.const -1)) "no room in the heap")
