;; Three-operand vector code.
(module
  (memory 1)
  (func $add (param v128 v128) (result v128) (i32x4.add (local.get 0) (local.get 1)))
  (func $loaded (param v128 i32) (result v128)
    (f32x4.mul (local.get 0) (v128.load (local.get 1))))
  (func $lane (param v128) (result f32) (f32x4.extract_lane 2 (local.get 0)))
  (func $shuffle (param v128 v128) (result v128)
    (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get 0) (local.get 1))))
