;; Comparisons fuse with the branch that uses them.
(module
  (func $if (param i32 i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (local.get 1))
      (then (local.get 0)) (else (local.get 1))))
  (func $select (param i64 i64 f64) (result i64)
    (select (local.get 0) (local.get 1) (f64.gt (local.get 2) (f64.const 0))))
  (func $table (param i32) (result i32)
    (block $a (block $b (block $c (br_table $a $b $c (local.get 0)))
      (return (i32.const 1))) (return (i32.const 2))) (i32.const 3)))
