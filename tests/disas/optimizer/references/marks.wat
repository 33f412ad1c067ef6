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
;;     4  mov rax, [rdi+0x40]
;;     8  mov rcx, [rax+8]
;;     c  mov esi, esi
;;     e  cmp rsi, rcx
;;    11  jae 0x40
;;    17  mov rdi, [rax]
;;    1a  lea r8, [rdi+rsi*8]
;;    1e  cmp rsi, rcx
;;    21  cmovae r8, rdi
;;    25  mov [r8], rdx
;;    28  mov rcx, [rax+0x10]
;;    2c  mov edx, 3
;;    31  shr rsi, 7
;;    35  mov [rcx+rsi], dl
;;    38  mov [rax+0x18], dl
;;    3b  mov rsp, rbp
;;    3e  pop rbp
;;    3f  ret
;;    40  ud2 ; out of bounds table access
;; function 1 table_set_function
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov r10, [rdi+0x48]
;;     8  mov r9, [r10+8]
;;     c  mov r11d, esi
;;     f  cmp r11, r9
;;    12  jae 0x2e
;;    18  mov rax, [r10]
;;    1b  lea r10, [rax+r11*8]
;;    1f  cmp r11, r9
;;    22  cmovae r10, rax
;;    26  mov [r10], rdx
;;    29  mov rsp, rbp
;;    2c  pop rbp
;;    2d  ret
;;    2e  ud2 ; out of bounds table access
;; function 2 global_set
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov [rdi+0x50], rsi
;;     8  mov rsi, r15
;;     b  mov edi, 1
;;    10  mov [rsi+0x218], dil
;;    17  mov rsp, rbp
;;    1a  pop rbp
;;    1b  ret
;; function 3 others
;;     0  push rbp
;;     1  mov rbp, rsp
;;     4  mov [rdi+0x60], rsi
;;     8  mov qword ptr [rdi+0x50], 0
;;    10  mov r10, [rdi+0x40]
;;    14  mov r9, [r10+8]
;;    18  cmp r9, 1
;;    1c  jbe 0x3d
;;    22  mov r11, [r10]
;;    25  lea r10, [r11+8]
;;    29  cmp r9, 1
;;    2d  cmovbe r10, r11
;;    31  mov qword ptr [r10], 0
;;    38  mov rsp, rbp
;;    3b  pop rbp
;;    3c  ret
;;    3d  ud2 ; out of bounds table access
