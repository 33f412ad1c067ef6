;; Arrays of a length known at run time are made of zeros, whatever lay there before, and leave what
;; lies beside them alone: of all lengths around those that are allocated inline.

(module
  (type $bytes (array (mut i8)))
  (global $before (mut (ref null $bytes)) (ref.null $bytes))
  (global $behind (mut (ref null $bytes)) (ref.null $bytes))

  ;; Whether all elements of an array are -1.
  (func $is_full (param $a (ref null $bytes)) (result i32) (local $i i32)
    (loop $l
      (if (i32.ne (array.get_s $bytes (local.get $a) (local.get $i)) (i32.const -1))
        (then (return (i32.const 0))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (array.len (local.get $a)))))
    (i32.const 1))

  (type $i8 (array (mut i8)))
  ;; Whether an array has that length, and nothing but zeros.
  (func $check_i8 (param $a (ref $i8)) (param $length i32) (result i32) (local $i i32)
    (if (i32.ne (array.len (local.get $a)) (local.get $length)) (then (return (i32.const 0))))
    (block $end
      (loop $l
        (br_if $end (i32.eq (local.get $i) (local.get $length)))
        (if (i32.eqz (i32.eqz (array.get_u $i8 (local.get $a) (local.get $i))))
          (then (return (i32.const 0))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $l)))
    (array.fill $i8 (local.get $a) (i32.const 0) (i32.const -1) (local.get $length))
    (i32.const 1))
  ;; How many lengths below one are right.
  (func (export "i8") (param $most i32) (result i32) (local $n i32) (local $right i32) (local $a (ref $i8))
    (loop $l
      (global.set $before (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $a (array.new_default $i8 (local.get $n)))
      (global.set $behind (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $right (i32.add (local.get $right)
        (i32.and (call $check_i8 (local.get $a) (local.get $n))
          (i32.and (call $is_full (global.get $before)) (call $is_full (global.get $behind))))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (local.get $most))))
    (local.get $right))

  (type $i16 (array (mut i16)))
  ;; Whether an array has that length, and nothing but zeros.
  (func $check_i16 (param $a (ref $i16)) (param $length i32) (result i32) (local $i i32)
    (if (i32.ne (array.len (local.get $a)) (local.get $length)) (then (return (i32.const 0))))
    (block $end
      (loop $l
        (br_if $end (i32.eq (local.get $i) (local.get $length)))
        (if (i32.eqz (i32.eqz (array.get_u $i16 (local.get $a) (local.get $i))))
          (then (return (i32.const 0))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $l)))
    (array.fill $i16 (local.get $a) (i32.const 0) (i32.const -1) (local.get $length))
    (i32.const 1))
  ;; How many lengths below one are right.
  (func (export "i16") (param $most i32) (result i32) (local $n i32) (local $right i32) (local $a (ref $i16))
    (loop $l
      (global.set $before (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $a (array.new_default $i16 (local.get $n)))
      (global.set $behind (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $right (i32.add (local.get $right)
        (i32.and (call $check_i16 (local.get $a) (local.get $n))
          (i32.and (call $is_full (global.get $before)) (call $is_full (global.get $behind))))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (local.get $most))))
    (local.get $right))

  (type $i32 (array (mut i32)))
  ;; Whether an array has that length, and nothing but zeros.
  (func $check_i32 (param $a (ref $i32)) (param $length i32) (result i32) (local $i i32)
    (if (i32.ne (array.len (local.get $a)) (local.get $length)) (then (return (i32.const 0))))
    (block $end
      (loop $l
        (br_if $end (i32.eq (local.get $i) (local.get $length)))
        (if (i32.eqz (i32.eqz (array.get $i32 (local.get $a) (local.get $i))))
          (then (return (i32.const 0))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $l)))
    (array.fill $i32 (local.get $a) (i32.const 0) (i32.const -1) (local.get $length))
    (i32.const 1))
  ;; How many lengths below one are right.
  (func (export "i32") (param $most i32) (result i32) (local $n i32) (local $right i32) (local $a (ref $i32))
    (loop $l
      (global.set $before (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $a (array.new_default $i32 (local.get $n)))
      (global.set $behind (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $right (i32.add (local.get $right)
        (i32.and (call $check_i32 (local.get $a) (local.get $n))
          (i32.and (call $is_full (global.get $before)) (call $is_full (global.get $behind))))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (local.get $most))))
    (local.get $right))

  (type $i64 (array (mut i64)))
  ;; Whether an array has that length, and nothing but zeros.
  (func $check_i64 (param $a (ref $i64)) (param $length i32) (result i32) (local $i i32)
    (if (i32.ne (array.len (local.get $a)) (local.get $length)) (then (return (i32.const 0))))
    (block $end
      (loop $l
        (br_if $end (i32.eq (local.get $i) (local.get $length)))
        (if (i32.eqz (i64.eqz (array.get $i64 (local.get $a) (local.get $i))))
          (then (return (i32.const 0))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $l)))
    (array.fill $i64 (local.get $a) (i32.const 0) (i64.const -1) (local.get $length))
    (i32.const 1))
  ;; How many lengths below one are right.
  (func (export "i64") (param $most i32) (result i32) (local $n i32) (local $right i32) (local $a (ref $i64))
    (loop $l
      (global.set $before (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $a (array.new_default $i64 (local.get $n)))
      (global.set $behind (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $right (i32.add (local.get $right)
        (i32.and (call $check_i64 (local.get $a) (local.get $n))
          (i32.and (call $is_full (global.get $before)) (call $is_full (global.get $behind))))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (local.get $most))))
    (local.get $right))

  (type $f64 (array (mut f64)))
  ;; Whether an array has that length, and nothing but zeros.
  (func $check_f64 (param $a (ref $f64)) (param $length i32) (result i32) (local $i i32)
    (if (i32.ne (array.len (local.get $a)) (local.get $length)) (then (return (i32.const 0))))
    (block $end
      (loop $l
        (br_if $end (i32.eq (local.get $i) (local.get $length)))
        (if (i32.eqz (i64.eqz (i64.reinterpret_f64 (array.get $f64 (local.get $a) (local.get $i)))))
          (then (return (i32.const 0))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $l)))
    (array.fill $f64 (local.get $a) (i32.const 0) (f64.const -1) (local.get $length))
    (i32.const 1))
  ;; How many lengths below one are right.
  (func (export "f64") (param $most i32) (result i32) (local $n i32) (local $right i32) (local $a (ref $f64))
    (loop $l
      (global.set $before (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $a (array.new_default $f64 (local.get $n)))
      (global.set $behind (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $right (i32.add (local.get $right)
        (i32.and (call $check_f64 (local.get $a) (local.get $n))
          (i32.and (call $is_full (global.get $before)) (call $is_full (global.get $behind))))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (local.get $most))))
    (local.get $right))

  (type $v128 (array (mut v128)))
  ;; Whether an array has that length, and nothing but zeros.
  (func $check_v128 (param $a (ref $v128)) (param $length i32) (result i32) (local $i i32)
    (if (i32.ne (array.len (local.get $a)) (local.get $length)) (then (return (i32.const 0))))
    (block $end
      (loop $l
        (br_if $end (i32.eq (local.get $i) (local.get $length)))
        (if (i32.eqz (i32.eqz (v128.any_true (array.get $v128 (local.get $a) (local.get $i)))))
          (then (return (i32.const 0))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $l)))
    (array.fill $v128 (local.get $a) (i32.const 0) (v128.const i64x2 -1 -1) (local.get $length))
    (i32.const 1))
  ;; How many lengths below one are right.
  (func (export "v128") (param $most i32) (result i32) (local $n i32) (local $right i32) (local $a (ref $v128))
    (loop $l
      (global.set $before (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $a (array.new_default $v128 (local.get $n)))
      (global.set $behind (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $right (i32.add (local.get $right)
        (i32.and (call $check_v128 (local.get $a) (local.get $n))
          (i32.and (call $is_full (global.get $before)) (call $is_full (global.get $behind))))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (local.get $most))))
    (local.get $right))

  (type $anyref (array (mut anyref)))
  ;; Whether an array has that length, and nothing but zeros.
  (func $check_anyref (param $a (ref $anyref)) (param $length i32) (result i32) (local $i i32)
    (if (i32.ne (array.len (local.get $a)) (local.get $length)) (then (return (i32.const 0))))
    (block $end
      (loop $l
        (br_if $end (i32.eq (local.get $i) (local.get $length)))
        (if (i32.eqz (ref.is_null (array.get $anyref (local.get $a) (local.get $i))))
          (then (return (i32.const 0))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $l)))
    (array.fill $anyref (local.get $a) (i32.const 0) (ref.i31 (i32.const -1)) (local.get $length))
    (i32.const 1))
  ;; How many lengths below one are right.
  (func (export "anyref") (param $most i32) (result i32) (local $n i32) (local $right i32) (local $a (ref $anyref))
    (loop $l
      (global.set $before (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $a (array.new_default $anyref (local.get $n)))
      (global.set $behind (array.new $bytes (i32.const -1) (i32.const 24)))
      (local.set $right (i32.add (local.get $right)
        (i32.and (call $check_anyref (local.get $a) (local.get $n))
          (i32.and (call $is_full (global.get $before)) (call $is_full (global.get $behind))))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (local.get $most))))
    (local.get $right))
)

(assert_return (invoke "i8" (i32.const 3)) (i32.const 3))
(assert_return (invoke "i8" (i32.const 520)) (i32.const 520))
(assert_return (invoke "i16" (i32.const 3)) (i32.const 3))
(assert_return (invoke "i16" (i32.const 270)) (i32.const 270))
(assert_return (invoke "i32" (i32.const 3)) (i32.const 3))
(assert_return (invoke "i32" (i32.const 140)) (i32.const 140))
(assert_return (invoke "i64" (i32.const 3)) (i32.const 3))
(assert_return (invoke "i64" (i32.const 140)) (i32.const 140))
(assert_return (invoke "f64" (i32.const 3)) (i32.const 3))
(assert_return (invoke "f64" (i32.const 140)) (i32.const 140))
(assert_return (invoke "v128" (i32.const 3)) (i32.const 3))
(assert_return (invoke "v128" (i32.const 140)) (i32.const 140))
(assert_return (invoke "anyref" (i32.const 3)) (i32.const 3))
(assert_return (invoke "anyref" (i32.const 140)) (i32.const 140))
