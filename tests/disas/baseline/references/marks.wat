;; Writes to tables and globals that may hold objects are told to the collector, but for constants.
(module
  (table $objects 10 anyref)
  (table $functions 10 funcref)
  (global $object (mut anyref) (ref.null any))
  (global $function (mut funcref) (ref.null func))
  (func $table_set (param i32 anyref)
    (table.set $objects (local.get 0) (local.get 1)))
  (func $table_set_function (param i32 funcref)
    (table.set $functions (local.get 0) (local.get 1)))
  (func $global_set (param anyref)
    (global.set $object (local.get 0)))
  (func $others (param funcref)
    (global.set $function (local.get 0))
    (global.set $object (ref.null any))
    (table.set $objects (i32.const 1) (ref.null any))))
;; function 0 table_set
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov [rbp-0x40], rdx
;;    12  sub dword ptr [r15+0x68], 0x80
;;    1a  js 0x5f
;;    20  mov rax, [rdi+0x40]
;;    24  mov rcx, rsi
;;    27  cmp rcx, [rax+8]
;;    2b  jae 0x71
;;    31  mov r11d, 0
;;    37  cmovae rcx, r11
;;    3b  mov rax, [rax]
;;    3e  lea rcx, [rax+rcx*8]
;;    43  mov [rcx], rdx
;;    46  mov rcx, [rdi+0x40]
;;    4a  mov r11, rsi
;;    4d  shr r11, 7
;;    51  add r11, [rcx+0x10]
;;    55  mov byte ptr [r11], 3
;;    59  mov byte ptr [rcx+0x18], 1
;;    5d  leave
;;    5e  ret
;;    5f  mov r11d, 0
;;    65  call qword ptr [r15+0x190]
;;    6c  jmp 0x20
;;    71  ud2 ; out of bounds table access
;; function 1 table_set_function
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov esi, esi
;;     e  mov [rbp-0x40], rdx
;;    12  sub dword ptr [r15+0x68], 0x60
;;    1a  js 0x48
;;    20  mov rax, [rdi+0x48]
;;    24  mov rcx, rsi
;;    27  cmp rcx, [rax+8]
;;    2b  jae 0x5a
;;    31  mov r11d, 0
;;    37  cmovae rcx, r11
;;    3b  mov rax, [rax]
;;    3e  lea rcx, [rax+rcx*8]
;;    43  mov [rcx], rdx
;;    46  leave
;;    47  ret
;;    48  mov r11d, 4
;;    4e  call qword ptr [r15+0x190]
;;    55  jmp 0x20
;;    5a  ud2 ; out of bounds table access
;; function 2 global_set
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov [rbp-0x38], rsi
;;    10  sub dword ptr [r15+0x68], 0x50
;;    18  js 0x2c
;;    1e  mov [rdi+0x50], rsi
;;    22  mov byte ptr [r15+0x218], 1
;;    2a  leave
;;    2b  ret
;;    2c  mov r11d, 8
;;    32  call qword ptr [r15+0x190]
;;    39  jmp 0x1e
;; function 3 others
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  sub rsp, 0x40
;;     8  mov [rbp-8], rdi
;;     c  mov [rbp-0x38], rsi
;;    10  sub dword ptr [r15+0x68], 0x80
;;    18  js 0x5d
;;    1e  mov [rdi+0x60], rsi
;;    22  mov eax, 0
;;    27  mov [rdi+0x50], rax
;;    2b  mov eax, 0
;;    30  mov ecx, 1
;;    35  mov rdx, [rdi+0x40]
;;    39  mov r8, rcx
;;    3c  cmp r8, [rdx+8]
;;    40  jae 0x6f
;;    46  mov r11d, 0
;;    4c  cmovae r8, r11
;;    50  mov rdx, [rdx]
;;    53  lea r8, [rdx+r8*8]
;;    58  mov [r8], rax
;;    5b  leave
;;    5c  ret
;;    5d  mov r11d, 0xc
;;    63  call qword ptr [r15+0x190]
;;    6a  jmp 0x1e
;;    6f  ud2 ; out of bounds table access
