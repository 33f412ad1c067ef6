// Markdown to HTML: reads a file or standard input, writes standard output.
//
//   md2html [FILE]
//
// Knows headings, paragraphs, nested emphasis, code, links, images, lists, quotes, fenced
// code, rules and backslash escapes; raw HTML is shown as text.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The block that is open while lines are read.
typedef enum { NONE, PARAGRAPH, BULLETS, NUMBERS, QUOTE, FENCE } Block;

static Block block = NONE;
static char *paragraph; // the lines of an open paragraph or quote
static size_t paragraph_length, paragraph_capacity;

static void put_escaped(char letter) {
  switch (letter) {
    case '<': fputs("&lt;", stdout); break;
    case '>': fputs("&gt;", stdout); break;
    case '&': fputs("&amp;", stdout); break;
    case '"': fputs("&quot;", stdout); break;
    default: putchar(letter);
  }
}

static void escaped(const char *at, const char *end) {
  while (at < end) put_escaped(*at++);
}

static const char *find(const char *at, const char *end, const char *mark) {
  size_t length = strlen(mark);
  for (; at + length <= end; at++) {
    if (!memcmp(at, mark, length)) return at;
  }
  return NULL;
}

static void spans(const char *at, const char *end);

// Text between two equal marks; returns where the text goes on, or NULL if there is none.
static const char *emphasis(const char *at, const char *end, const char *mark, const char *tag) {
  size_t length = strlen(mark);
  if ((size_t)(end - at) <= length || memcmp(at, mark, length) != 0 || isspace((unsigned char)at[length])) return NULL;
  const char *close = find(at + length + 1, end, mark);
  if (!close || isspace((unsigned char)close[-1])) return NULL;
  printf("<%s>", tag);
  if (*mark == '`') escaped(at + length, close);
  else spans(at + length, close);
  printf("</%s>", tag);
  return close + length;
}

// [text](address) and ![text](address)
static const char *link_or_image(const char *at, const char *end) {
  int is_image = *at == '!';
  const char *text = at + is_image;
  if (text >= end || *text != '[') return NULL;
  const char *middle = find(text, end, "](");
  const char *close = middle ? find(middle, end, ")") : NULL;
  if (!close) return NULL;
  fputs(is_image ? "<img src=\"" : "<a href=\"", stdout);
  escaped(middle + 2, close);
  if (is_image) {
    fputs("\" alt=\"", stdout);
    escaped(text + 1, middle);
    fputs("\">", stdout);
  } else {
    fputs("\">", stdout);
    spans(text + 1, middle);
    fputs("</a>", stdout);
  }
  return close + 1;
}

static void spans(const char *at, const char *end) {
  while (at < end) {
    const char *after = emphasis(at, end, "`", "code");
    if (!after) after = emphasis(at, end, "**", "strong");
    if (!after) after = emphasis(at, end, "*", "em");
    if (!after) after = link_or_image(at, end);
    if (after) {
      at = after;
      continue;
    }
    if (*at == '\\' && at + 1 < end && ispunct((unsigned char)at[1])) at++;
    put_escaped(*at++);
  }
}

static void collect(const char *line) {
  size_t length = strlen(line);
  if (paragraph_length + length + 2 > paragraph_capacity) {
    paragraph_capacity = 2 * (paragraph_length + length + 2);
    paragraph = realloc(paragraph, paragraph_capacity);
    if (!paragraph) exit(3);
  }
  if (paragraph_length > 0) paragraph[paragraph_length++] = '\n';
  memcpy(paragraph + paragraph_length, line, length + 1);
  paragraph_length += length;
}

static void close_block(void) {
  static const char *const ends[] = {"", "</p>\n", "</ul>\n", "</ol>\n", "</p></blockquote>\n", "</code></pre>\n"};
  if (block == PARAGRAPH || block == QUOTE) {
    spans(paragraph, paragraph + paragraph_length);
    paragraph_length = 0;
  }
  fputs(ends[block], stdout);
  block = NONE;
}

static void open_block(Block wanted) {
  static const char *const starts[] = {"", "<p>", "<ul>\n", "<ol>\n", "<blockquote><p>", "<pre><code>"};
  if (block == wanted) return;
  close_block();
  block = wanted;
  fputs(starts[block], stdout);
}

static void item(Block list, const char *text) {
  open_block(list);
  fputs("<li>", stdout);
  spans(text, text + strlen(text));
  fputs("</li>\n", stdout);
}

static int heading_level(const char *line) {
  size_t level = strspn(line, "#");
  return level <= 6 && line[level] == ' ' ? (int)level : 0;
}

static int is_rule(const char *line) {
  return strlen(line) >= 3 && (strspn(line, "-") == strlen(line) || strspn(line, "*") == strlen(line));
}

static void fenced_line(const char *line) {
  if (!strncmp(line, "```", 3)) {
    close_block();
    return;
  }
  escaped(line, line + strlen(line));
  putchar('\n');
}

static void convert(const char *line) {
  size_t digits = strspn(line, "0123456789");
  int level = heading_level(line);
  if (block == FENCE) {
    fenced_line(line);
  } else if (!strncmp(line, "```", 3)) {
    open_block(FENCE);
  } else if (!*line) {
    close_block();
  } else if (level) {
    close_block();
    printf("<h%d>", level);
    spans(line + level + 1, line + strlen(line));
    printf("</h%d>\n", level);
  } else if (is_rule(line)) {
    close_block();
    puts("<hr>");
  } else if (*line == '>') {
    open_block(QUOTE);
    collect(line + 1 + (line[1] == ' '));
  } else if (strchr("-*+", *line) && line[1] == ' ') {
    item(BULLETS, line + 2);
  } else if (digits && line[digits] == '.' && line[digits + 1] == ' ') {
    item(NUMBERS, line + digits + 2);
  } else {
    open_block(block == QUOTE ? QUOTE : PARAGRAPH);
    collect(line);
  }
}

int main(int argc, char **argv) {
  FILE *file = argc > 1 ? fopen(argv[1], "r") : stdin;
  if (!file) {
    fprintf(stderr, "md2html: cannot open %s\n", argv[1]);
    return 1;
  }
  char *line = NULL;
  size_t capacity = 0;
  ssize_t length;
  while ((length = getline(&line, &capacity, file)) >= 0) {
    while (length > 0 && strchr("\r\n", line[length - 1])) line[--length] = 0;
    convert(line);
  }
  close_block();
  return 0;
}
