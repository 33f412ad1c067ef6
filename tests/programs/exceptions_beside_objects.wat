;; Exceptions with references, which are left at once, beside objects that stay and could hold them.
(module
    (type $node (struct (field $exn (mut exnref)) (field $next (ref null $node))))
    (tag $tag (param i32))
    (global $nodes (mut (ref null $node)) (ref.null $node))
    (func $build (export "build") (param $count i32)
        (loop $l
            (global.set $nodes (struct.new $node (ref.null exn) (global.get $nodes)))
            (br_if $l (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
    (func $throw (export "throw") (param $count i32)
        (loop $l
            (block $h (result i32 exnref)
                (try_table (catch_ref $tag $h) (throw $tag (local.get $count)))
                unreachable)
            drop
            drop
            (br_if $l (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
    ;; 16 MiB of objects first.
    (func (export "build_and_throw") (param $count i32)
        (call $build (i32.const 0x100000))
        (call $throw (local.get $count))))
