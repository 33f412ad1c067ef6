;; Conversions that trap and conversions that saturate.
(module
  (func $truncate (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))
  (func $saturate (param f64) (result i32) (i32.trunc_sat_f64_s (local.get 0)))
  (func $minimum (param f32 f32) (result f32) (f32.min (local.get 0) (local.get 1)))
  (func $unsigned (param i64) (result f64) (f64.convert_i64_u (local.get 0))))
