// Turns generated Markdown of n paragraphs into HTML: blocks line by line, spans by recursion.
#include "bench.h"

static char *out;

static void put(const char *text) {
  while (*text) *out++ = *text++;
}

static void put_escaped(char letter) {
  switch (letter) {
    case '<': put("&lt;"); break;
    case '>': put("&gt;"); break;
    case '&': put("&amp;"); break;
    default: *out++ = letter;
  }
}

static const char *find(const char *from, const char *end, const char *mark) {
  size_t length = strlen(mark);
  for (; from + length <= end; from++) {
    if (!memcmp(from, mark, length)) return from;
  }
  return NULL;
}

static const char *line_end(const char *line) {
  while (*line != '\n') line++;
  return line;
}

static void spans(const char *at, const char *end);

// Renders text between two equal marks; returns the place after the second, or NULL.
static const char *marked(const char *at, const char *end, const char *mark, const char *tag) {
  size_t length = strlen(mark);
  if ((size_t)(end - at) < length || memcmp(at, mark, length) != 0) return NULL;
  const char *close = find(at + length, end, mark);
  if (!close) return NULL;
  *out++ = '<', put(tag), *out++ = '>';
  if (*mark == '`') {
    for (const char *c = at + length; c < close; c++) put_escaped(*c);
  } else {
    spans(at + length, close);
  }
  put("</"), put(tag), *out++ = '>';
  return close + length;
}

static const char *hyperlink(const char *at, const char *end) {
  const char *middle = *at == '[' ? find(at, end, "](") : NULL;
  const char *close = middle ? find(middle, end, ")") : NULL;
  if (!close) return NULL;
  put("<a href=\"");
  for (const char *c = middle + 2; c < close; c++) put_escaped(*c);
  put("\">");
  spans(at + 1, middle);
  put("</a>");
  return close + 1;
}

static void spans(const char *at, const char *end) {
  while (at < end) {
    const char *after = marked(at, end, "**", "strong");
    if (!after) after = marked(at, end, "*", "em");
    if (!after) after = marked(at, end, "`", "code");
    if (!after) after = hyperlink(at, end);
    if (after) {
      at = after;
    } else {
      put_escaped(*at++);
    }
  }
}

static void element(const char *tag, const char *at, const char *end) {
  *out++ = '<', put(tag), *out++ = '>';
  spans(at, end);
  put("</"), put(tag), put(">\n");
}

static void block(const char *line, const char *end, int *in_list) {
  int is_item = end - line > 2 && line[0] == '-' && line[1] == ' ';
  if (is_item != *in_list) put(is_item ? "<ul>\n" : "</ul>\n");
  *in_list = is_item;
  if (line == end) return;
  int level = 0;
  while (level < 6 && line + level < end && line[level] == '#') level++;
  if (level > 0) {
    char tag[3] = {'h', (char)('0' + level), 0};
    element(tag, line + level + 1, end);
  } else {
    element(is_item ? "li" : "p", is_item ? line + 2 : line, end);
  }
}

static char *make_document(int paragraphs) {
  static const char *pieces[] = {"plain words ", "*emphasis* ", "**strong *nested* text** ", "`code < 3` ",
                                 "[a link](https://example.org/?a=1&b=2) ", "1 < 2 & 3 > 2 ", "an open * star ",
                                 "tail of a sentence. "};
  static const char *starts[] = {"", "- ", "# ", "", "- ", "## ", "- ", "### "};
  char *document = bench_alloc((size_t)paragraphs * 420 + 1), *at = document;
  for (int i = 0; i < paragraphs; i++) {
    at = stpcpy(at, starts[bench_random() >> 29]);
    for (uint32_t count = 3 + bench_random() % 6; count > 0; count--) at = stpcpy(at, pieces[bench_random() >> 29]);
    at = stpcpy(at, bench_random() & 1 ? "\n" : "\n\n");
  }
  return document;
}

int main(int argc, char **argv) {
  int paragraphs = bench_size(argc, argv, 30000);
  char *document = make_document(paragraphs);
  char *html = bench_alloc((size_t)paragraphs * 800 + 64);
  int in_list = 0;

  bench_start();
  out = html;
  for (const char *line = document; *line;) {
    const char *end = line_end(line);
    block(line, end, &in_list);
    line = end + 1;
  }
  bench_end();

  return bench_report(bench_hash_bytes(BENCH_HASH_SEED, html, out - html));
}
