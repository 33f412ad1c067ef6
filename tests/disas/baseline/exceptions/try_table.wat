;; What a try_table costs that nothing is thrown in: at the call a jump past the handler, at entry and
;; exit the callee-saved registers, which a throw does not restore. `$plain` is the same call without.
;; `$local` saves none: nothing throws to its handler from another function.
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
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov r11, [rdi+0x10]
;;    12  sub dword ptr [r11], 8
;;    19  js 0x2b
;;    1f  mov eax, 0x64
;;    24  xor edx, edx
;;    26  div esi ; integer divide by zero
;;    29  leave
;;    2a  ret
;;    2b  call qword ptr [r15+0x108]
;;    32  jmp 0x1f
;; function 2 plain
;;     0  cmp rsp, [r15]
;;     3  jb 0x4a
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  mov edx, edx
;;    19  mov r11, [rdi+0x10]
;;    1d  sub dword ptr [r11+4], 8
;;    25  js 0x5c
;;    2b  mov [rbp-0x40], edx
;;    2e  mov [rbp-0x38], esi
;;    31  mov r11, [rbp-8]
;;    35  mov [r15+0x38], r11
;;    39  mov rdi, [r11+0x48]
;;    3d  call qword ptr [r11+0x40]
;;    41  mov eax, eax
;;    43  mov ecx, [rbp-0x40]
;;    46  add eax, ecx
;;    48  leave
;;    49  ret
;;    4a  push rbp
;;    4b  mov rbp, rsp
;;    4e  call qword ptr [r15+0xf8]
;;    55  pop rbp
;;    57  jmp 9
;;    5c  call qword ptr [r15+0x108]
;;    63  jmp 0x2b
;; function 3 try
;;     0  cmp rsp, [r15]
;;     3  jb 0x8a
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x50
;;    11  mov [rbp-8], rdi
;;    15  mov [rbp-0x10], rbx
;;    19  mov [rbp-0x18], r12
;;    1d  mov [rbp-0x20], r13
;;    21  mov [rbp-0x28], r14
;;    25  mov esi, esi
;;    27  mov edx, edx
;;    29  mov r11, [rdi+0x10]
;;    2d  sub dword ptr [r11+8], 8
;;    35  js 0x9c
;;    3b  mov [rbp-0x40], edx
;;    3e  mov [rbp-0x38], esi
;;    41  mov r11, [rbp-8]
;;    45  mov [r15+0x38], r11
;;    49  mov rdi, [r11+0x48]
;;    4d  call qword ptr [r11+0x40]
;;    51  mov eax, eax
;;    53  mov [rbp-0x48], eax
;;    56  jmp 0x6c
;;    5b  vmovsd xmm15, [rax+0x10]
;;    62  vmovsd [rbp-0x48], xmm15
;;    67  jmp 0x6c
;;    6c  mov eax, [rbp-0x48]
;;    6f  mov ecx, [rbp-0x40]
;;    72  lea edx, [rax+rcx]
;;    75  mov rax, rdx
;;    78  mov rbx, [rbp-0x10]
;;    7c  mov r12, [rbp-0x18]
;;    80  mov r13, [rbp-0x20]
;;    84  mov r14, [rbp-0x28]
;;    88  leave
;;    89  ret
;;    8a  push rbp
;;    8b  mov rbp, rsp
;;    8e  call qword ptr [r15+0xf8]
;;    95  pop rbp
;;    97  jmp 9
;;    9c  call qword ptr [r15+0x108]
;;    a3  jmp 0x3b
;; function 4 try_nothrow
;;     0  cmp rsp, [r15]
;;     3  jb 0x84
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x50
;;    11  mov [rbp-8], rdi
;;    15  mov [rbp-0x10], rbx
;;    19  mov [rbp-0x18], r12
;;    1d  mov [rbp-0x20], r13
;;    21  mov [rbp-0x28], r14
;;    25  mov esi, esi
;;    27  mov edx, edx
;;    29  mov r11, [rdi+0x10]
;;    2d  sub dword ptr [r11+0xc], 8
;;    35  js 0x96
;;    3b  mov [rbp-0x40], edx
;;    3e  mov [rbp-0x38], esi
;;    41  mov rdi, [rbp-8]
;;    45  call qword ptr [slot]
;;    4b  mov eax, eax
;;    4d  mov [rbp-0x48], eax
;;    50  jmp 0x66
;;    55  vmovsd xmm15, [rax+0x10]
;;    5c  vmovsd [rbp-0x48], xmm15
;;    61  jmp 0x66
;;    66  mov eax, [rbp-0x48]
;;    69  mov ecx, [rbp-0x40]
;;    6c  lea edx, [rax+rcx]
;;    6f  mov rax, rdx
;;    72  mov rbx, [rbp-0x10]
;;    76  mov r12, [rbp-0x18]
;;    7a  mov r13, [rbp-0x20]
;;    7e  mov r14, [rbp-0x28]
;;    82  leave
;;    83  ret
;;    84  push rbp
;;    85  mov rbp, rsp
;;    88  call qword ptr [r15+0xf8]
;;    8f  pop rbp
;;    91  jmp 9
;;    96  call qword ptr [r15+0x108]
;;    9d  jmp 0x3b
;; function 5 local
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov r11, [rdi+0x10]
;;    12  sub dword ptr [r11+0x10], 8
;;    1a  js 0x5b
;;    20  test esi, esi
;;    22  jne 0x3a
;;    28  mov r11d, 7
;;    2e  mov [rbp-0x40], r11d
;;    32  mov [rbp-0x38], esi
;;    35  jmp 0x56
;;    3a  mov [rbp-0x40], esi
;;    3d  mov [rbp-0x38], esi
;;    40  jmp 0x56
;;    45  vmovsd xmm15, [rax+0x10]
;;    4c  vmovsd [rbp-0x40], xmm15
;;    51  jmp 0x56
;;    56  mov eax, [rbp-0x40]
;;    59  leave
;;    5a  ret
;;    5b  call qword ptr [r15+0x108]
;;    62  jmp 0x20
