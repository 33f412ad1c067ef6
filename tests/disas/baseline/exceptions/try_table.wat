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
;;     e  sub dword ptr [r15+0x68], 0x70
;;    13  js 0x25
;;    19  mov eax, 0x64
;;    1e  xor edx, edx
;;    20  div esi ; integer divide by zero
;;    23  leave
;;    24  ret
;;    25  mov r11d, [r15+0x6c]
;;    29  imul r11d, 0x19660d
;;    30  add r11d, 0x3c6ef35f
;;    37  mov [r15+0x6c], r11d
;;    3b  shr r11d, 0x11
;;    3f  add r11d, 0x8000
;;    46  add [r15+0x68], r11d
;;    4a  mov r11, [rbp-8]
;;    4e  mov r11, [r11+0x10]
;;    52  sub dword ptr [r11], 0xc000
;;    59  jns 0x19
;;    5f  call qword ptr [r15+0x110]
;;    66  jmp 0x19
;; function 2 plain
;;     0  cmp rsp, [r15]
;;     3  jb 0x43
;;     9  push rbp
;;     a  mov rbp, rsp
;;     d  sub rsp, 0x40
;;    11  mov [rbp-8], rdi
;;    15  mov esi, esi
;;    17  mov edx, edx
;;    19  sub dword ptr [r15+0x68], 0x70
;;    1e  js 0x55
;;    24  mov [rbp-0x40], edx
;;    27  mov [rbp-0x38], esi
;;    2a  mov r11, [rbp-8]
;;    2e  mov [r15+0x38], r11
;;    32  mov rdi, [r11+0x48]
;;    36  call qword ptr [r11+0x40]
;;    3a  mov eax, eax
;;    3c  mov ecx, [rbp-0x40]
;;    3f  add eax, ecx
;;    41  leave
;;    42  ret
;;    43  push rbp
;;    44  mov rbp, rsp
;;    47  call qword ptr [r15+0x100]
;;    4e  pop rbp
;;    50  jmp 9
;;    55  mov r11d, [r15+0x6c]
;;    59  imul r11d, 0x19660d
;;    60  add r11d, 0x3c6ef35f
;;    67  mov [r15+0x6c], r11d
;;    6b  shr r11d, 0x11
;;    6f  add r11d, 0x8000
;;    76  add [r15+0x68], r11d
;;    7a  mov r11, [rbp-8]
;;    7e  mov r11, [r11+0x10]
;;    82  sub dword ptr [r11+4], 0xc000
;;    8a  jns 0x24
;;    90  call qword ptr [r15+0x110]
;;    97  jmp 0x24
;; function 3 try
;;     0  cmp rsp, [r15]
;;     3  jb 0x83
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
;;    29  sub dword ptr [r15+0x68], 0x70
;;    2e  js 0x95
;;    34  mov [rbp-0x40], edx
;;    37  mov [rbp-0x38], esi
;;    3a  mov r11, [rbp-8]
;;    3e  mov [r15+0x38], r11
;;    42  mov rdi, [r11+0x48]
;;    46  call qword ptr [r11+0x40]
;;    4a  mov eax, eax
;;    4c  mov [rbp-0x48], eax
;;    4f  jmp 0x65
;;    54  vmovsd xmm15, [rax+0x10]
;;    5b  vmovsd [rbp-0x48], xmm15
;;    60  jmp 0x65
;;    65  mov eax, [rbp-0x48]
;;    68  mov ecx, [rbp-0x40]
;;    6b  lea edx, [rax+rcx]
;;    6e  mov rax, rdx
;;    71  mov rbx, [rbp-0x10]
;;    75  mov r12, [rbp-0x18]
;;    79  mov r13, [rbp-0x20]
;;    7d  mov r14, [rbp-0x28]
;;    81  leave
;;    82  ret
;;    83  push rbp
;;    84  mov rbp, rsp
;;    87  call qword ptr [r15+0x100]
;;    8e  pop rbp
;;    90  jmp 9
;;    95  mov r11d, [r15+0x6c]
;;    99  imul r11d, 0x19660d
;;    a0  add r11d, 0x3c6ef35f
;;    a7  mov [r15+0x6c], r11d
;;    ab  shr r11d, 0x11
;;    af  add r11d, 0x8000
;;    b6  add [r15+0x68], r11d
;;    ba  mov r11, [rbp-8]
;;    be  mov r11, [r11+0x10]
;;    c2  sub dword ptr [r11+8], 0xc000
;;    ca  jns 0x34
;;    d0  call qword ptr [r15+0x110]
;;    d7  jmp 0x34
;; function 4 try_nothrow
;;     0  cmp rsp, [r15]
;;     3  jb 0x7d
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
;;    29  sub dword ptr [r15+0x68], 0x70
;;    2e  js 0x8f
;;    34  mov [rbp-0x40], edx
;;    37  mov [rbp-0x38], esi
;;    3a  mov rdi, [rbp-8]
;;    3e  call qword ptr [slot]
;;    44  mov eax, eax
;;    46  mov [rbp-0x48], eax
;;    49  jmp 0x5f
;;    4e  vmovsd xmm15, [rax+0x10]
;;    55  vmovsd [rbp-0x48], xmm15
;;    5a  jmp 0x5f
;;    5f  mov eax, [rbp-0x48]
;;    62  mov ecx, [rbp-0x40]
;;    65  lea edx, [rax+rcx]
;;    68  mov rax, rdx
;;    6b  mov rbx, [rbp-0x10]
;;    6f  mov r12, [rbp-0x18]
;;    73  mov r13, [rbp-0x20]
;;    77  mov r14, [rbp-0x28]
;;    7b  leave
;;    7c  ret
;;    7d  push rbp
;;    7e  mov rbp, rsp
;;    81  call qword ptr [r15+0x100]
;;    88  pop rbp
;;    8a  jmp 9
;;    8f  mov r11d, [r15+0x6c]
;;    93  imul r11d, 0x19660d
;;    9a  add r11d, 0x3c6ef35f
;;    a1  mov [r15+0x6c], r11d
;;    a5  shr r11d, 0x11
;;    a9  add r11d, 0x8000
;;    b0  add [r15+0x68], r11d
;;    b4  mov r11, [rbp-8]
;;    b8  mov r11, [r11+0x10]
;;    bc  sub dword ptr [r11+0xc], 0xc000
;;    c4  jns 0x34
;;    ca  call qword ptr [r15+0x110]
;;    d1  jmp 0x34
;; function 5 local
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  sub dword ptr [r15+0x68], 0x70
;;    13  js 0x54
;;    19  test esi, esi
;;    1b  jne 0x33
;;    21  mov r11d, 7
;;    27  mov [rbp-0x40], r11d
;;    2b  mov [rbp-0x38], esi
;;    2e  jmp 0x4f
;;    33  mov [rbp-0x40], esi
;;    36  mov [rbp-0x38], esi
;;    39  jmp 0x4f
;;    3e  vmovsd xmm15, [rax+0x10]
;;    45  vmovsd [rbp-0x40], xmm15
;;    4a  jmp 0x4f
;;    4f  mov eax, [rbp-0x40]
;;    52  leave
;;    53  ret
;;    54  mov r11d, [r15+0x6c]
;;    58  imul r11d, 0x19660d
;;    5f  add r11d, 0x3c6ef35f
;;    66  mov [r15+0x6c], r11d
;;    6a  shr r11d, 0x11
;;    6e  add r11d, 0x8000
;;    75  add [r15+0x68], r11d
;;    79  mov r11, [rbp-8]
;;    7d  mov r11, [r11+0x10]
;;    81  sub dword ptr [r11+0x10], 0xc000
;;    89  jns 0x19
;;    8f  call qword ptr [r15+0x110]
;;    96  jmp 0x19
