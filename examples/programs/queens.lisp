; All ways to place n queens on a board of n columns so that none attacks another.
; A solution lists the row of the queen in each column, the last column first.

(define (safe? row placed distance)
  (or (null? placed)
      (and (not (= row (car placed)))
           (not (= row (+ (car placed) distance)))
           (not (= row (- (car placed) distance)))
           (safe? row (cdr placed) (+ distance 1)))))

(define (extend placed n)
  (map (lambda (row) (cons row placed))
       (filter (lambda (row) (safe? row placed 1)) (range 0 n))))

(define (solve columns n solutions)
  (if (= columns 0)
      solutions
      (solve (- columns 1) n
             (fold (lambda (all placed) (append (extend placed n) all)) '() solutions))))

(define (draw placed n)
  (map (lambda (row)
         (map (lambda (column) (display (if (= column row) "Q " ". "))) (range 0 n))
         (newline))
       placed))

(let ((solutions (solve 8 8 '(()))))
  (display (length solutions) " solutions; the first one:")
  (newline)
  (draw (car solutions) 8))
