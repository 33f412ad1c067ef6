;; What a try_table costs that nothing is thrown in: nothing at the call, for a landing has the
;; callee-saved registers as they were; `$plain` is the same call without. A callee that
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
;;     3  jb 0x56
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  sub rsp, 0x20
;;    18  mov [rsp+0x10], rbx
;;    1d  mov rbx, rdx
;;    20  mov [rsp], rdi
;;    24  mov rax, [rdi+0x40]
;;    28  mov rcx, [rdi+0x48]
;;    2c  mov r8, r15
;;    2f  mov [r8+0x38], rdi
;;    33  mov rdi, rcx
;;    36  call rax
;;    38  mov rdx, rbx
;;    3b  add eax, edx
;;    3d  mov rbx, [rsp+0x10]
;;    42  add rsp, 0x20
;;    46  mov rsp, rbp
;;    49  pop rbp
;;    4a  ret
;;    4b  mov eax, [rax+0x10]
;;    4e  mov rdx, rbx
;;    51  jmp 0x3b
;;    56  push rbp
;;    57  mov rbp, rsp
;;    5a  call qword ptr [r15+0x100]
;;    61  pop rbp
;;    62  jmp 0x10
;; function 4 try_all
;;     0  cmp rsp, [r15]
;;     3  jb 0x5c
;;     9  nop [rax]
;;    10  push rbp
;;    11  mov rbp, rsp
;;    14  sub rsp, 0x10
;;    18  mov [rsp], r14
;;    1c  mov r14, rdx
;;    1f  mov rax, [rdi+0x40]
;;    23  mov rcx, [rdi+0x48]
;;    27  mov r8, r15
;;    2a  mov [r8+0x38], rdi
;;    2e  mov rdi, rcx
;;    31  call rax
;;    33  mov rdx, r14
;;    36  add eax, edx
;;    38  mov r14, [rsp]
;;    3c  add rsp, 0x10
;;    40  mov rsp, rbp
;;    43  pop rbp
;;    44  ret
;;    45  mov eax, 0xffffffff
;;    4a  mov r14, [rsp]
;;    4e  add rsp, 0x10
;;    52  mov rsp, rbp
;;    55  pop rbp
;;    56  ret
;;    57  jmp 0x45
;;    5c  push rbp
;;    5d  mov rbp, rsp
;;    60  call qword ptr [r15+0x100]
;;    67  pop rbp
;;    68  jmp 0x10
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
