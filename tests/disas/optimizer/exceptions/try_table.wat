;; What a try_table costs that nothing is thrown in: `$try` saves the callee-saved registers, which a
;; throw does not restore, and nothing at the call; `$plain` is the same call without. A callee that
;; never throws is inlined or called as without a handler, and a local throw is a jump. Where a tag is
;; compared, the vmctx is kept at the call, which tells whose tag it is; `$try_all` keeps none.
(module
  (import "" "f" (func $f (param i32) (result i32)))
  (tag $e (param i32))
  (func $nothrow (param i32) (result i32)
    (i32.div_u (i32.const 100) (local.get 0)))
  (func $plain (param i32 i32) (result i32)
    (i32.add (call $f (local.get 0)) (local.get 1)))
  (func $try (param i32 i32) (result i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $e $caught) (call $f (local.get 0))))
    (i32.add (local.get 1)))
  (func $try_all (param i32 i32) (result i32)
    (block $caught
      (return (i32.add (local.get 1)
        (try_table (result i32) (catch_all $caught) (call $f (local.get 0))))))
    (i32.const -1))
  (func $try_nothrow (param i32 i32) (result i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $e $caught) (call $nothrow (local.get 0))))
    (i32.add (local.get 1)))
  (func $local (param i32) (result i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $e $caught)
        (if (i32.eqz (local.get 0)) (then (throw $e (i32.const 7))))
        (local.get 0)))))
;; function 1 nothrow
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov eax, 0x64
;;     9  xor rdx, rdx
;;     c  div esi ; integer divide by zero
;;     e  mov rsp, rbp
;;    11  pop rbp
;;    12  ret
;; function 2 plain
;;     0  cmp rsp, [r15]
;;     3  jb 0x46
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  sub rsp, 0x10
;;    18  mov [rsp], r12
;;    1c  mov r12, rdx
;;    1f  mov r8, [rdi+0x40]
;;    23  mov r9, [rdi+0x48]
;;    27  mov r10, r15
;;    2a  mov [r10+0x38], rdi
;;    2e  mov rdi, r9
;;    31  call r8
;;    34  mov rdx, r12
;;    37  add eax, edx
;;    39  mov r12, [rsp]
;;    3d  add rsp, 0x10
;;    41  mov rsp, rbp
;;    44  pop rbp
;;    45  ret
;;    46  push rbp
;;    47  mov rbp, rsp
;;    4a  call qword ptr [r15+0x100]
;;    51  pop rbp
;;    52  jmp 0x10
;; function 3 try
;;     0  cmp rsp, [r15]
;;     3  jb 0x7a
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  sub rsp, 0x30
;;    18  mov [rsp+0x10], rbx
;;    1d  mov [rsp+0x18], r12
;;    22  mov [rsp+0x20], r13
;;    27  mov [rsp+0x28], r14
;;    2c  mov [rsp+8], rdx
;;    31  mov rax, [rdi+0x40]
;;    35  mov rcx, [rdi+0x48]
;;    39  mov r8, r15
;;    3c  mov [r8+0x38], rdi
;;    40  mov [rsp], rdi
;;    44  mov rdi, rcx
;;    47  call rax
;;    49  mov rdx, [rsp+8]
;;    4e  add eax, edx
;;    50  mov rbx, [rsp+0x10]
;;    55  mov r12, [rsp+0x18]
;;    5a  mov r13, [rsp+0x20]
;;    5f  mov r14, [rsp+0x28]
;;    64  add rsp, 0x30
;;    68  mov rsp, rbp
;;    6b  pop rbp
;;    6c  ret
;;    6d  mov eax, [rax+0x10]
;;    70  mov rdx, [rsp+8]
;;    75  jmp 0x4e
;;    7a  push rbp
;;    7b  mov rbp, rsp
;;    7e  call qword ptr [r15+0x100]
;;    85  pop rbp
;;    86  jmp 0x10
;; function 4 try_all
;;     0  cmp rsp, [r15]
;;     3  jb 0x8e
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  sub rsp, 0x30
;;    18  mov [rsp+0x10], rbx
;;    1d  mov [rsp+0x18], r12
;;    22  mov [rsp+0x20], r13
;;    27  mov [rsp+0x28], r14
;;    2c  mov [rsp], rdx
;;    30  mov rax, [rdi+0x40]
;;    34  mov rcx, [rdi+0x48]
;;    38  mov r8, r15
;;    3b  mov [r8+0x38], rdi
;;    3f  mov rdi, rcx
;;    42  call rax
;;    44  mov rdx, [rsp]
;;    48  add eax, edx
;;    4a  mov rbx, [rsp+0x10]
;;    4f  mov r12, [rsp+0x18]
;;    54  mov r13, [rsp+0x20]
;;    59  mov r14, [rsp+0x28]
;;    5e  add rsp, 0x30
;;    62  mov rsp, rbp
;;    65  pop rbp
;;    66  ret
;;    67  mov eax, 0xffffffff
;;    6c  mov rbx, [rsp+0x10]
;;    71  mov r12, [rsp+0x18]
;;    76  mov r13, [rsp+0x20]
;;    7b  mov r14, [rsp+0x28]
;;    80  add rsp, 0x30
;;    84  mov rsp, rbp
;;    87  pop rbp
;;    88  ret
;;    89  jmp 0x67
;;    8e  push rbp
;;    8f  mov rbp, rsp
;;    92  call qword ptr [r15+0x100]
;;    99  pop rbp
;;    9a  jmp 0x10
;; function 5 try_nothrow
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov r9, rdx
;;     7  mov eax, 0x64
;;     c  xor rdx, rdx
;;     f  div esi ; integer divide by zero
;;    11  mov rdx, r9
;;    14  add eax, edx
;;    16  mov rsp, rbp
;;    19  pop rbp
;;    1a  ret
;; function 6 local
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  test esi, esi
;;     6  je 0x14
;;     c  mov rax, rsi
;;     f  jmp 0x19
;;    14  mov eax, 7
;;    19  mov rsp, rbp
;;    1c  pop rbp
;;    1d  ret
