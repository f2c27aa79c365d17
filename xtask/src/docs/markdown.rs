//! A page of prose taken apart: headings, fences, spans of code, links, rows of tables. Only as much of Markdown as the
//! documents of this project use.

/// One page. Lines are counted from one.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) path: String,
    /// Names by which a link can point into the page.
    pub(crate) anchors: Vec<String>,
    /// Text between backquotes, outside fences.
    pub(crate) spans: Vec<Piece>,
    /// Targets of links, outside fences and spans.
    pub(crate) links: Vec<Piece>,
    /// Lines outside fences, spans included.
    pub(crate) prose: Vec<Piece>,
    pub(crate) fences: Vec<Fence>,
}

/// A piece of text and the line on which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A fenced block and the word behind its opening mark.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    pub(crate) language: String,
    pub(crate) lines: Vec<Piece>,
}

impl Page {
    /// Takes a page apart. Any text is a page.
    pub(crate) fn read(path: &str, text: &str) -> Self {
        let mut page = Self {
            path: path.to_string(),
            ..Self::default()
        };
        page.split_fences(text);
        // Fenced lines stay as blank ones, so that lines keep their number and no span reaches over a fence.
        let mut lines = vec![""; text.lines().count()];
        for piece in &page.prose {
            lines[piece.line - 1] = &piece.text;
        }
        let text = lines.join("\n");
        let (spans, without_spans) = spans(&text);
        page.anchors = anchors(&text);
        page.links = links(&without_spans);
        page.spans = spans;
        page
    }

    fn split_fences(&mut self, text: &str) {
        let mut open: Option<(Fence, String)> = None;
        for (number, line) in text.lines().enumerate() {
            let piece = Piece {
                line: number + 1,
                text: line.to_string(),
            };
            let trimmed = line.trim();
            match &mut open {
                Some((_, mark)) if trimmed == mark => {
                    self.fences.extend(open.take().map(|(fence, _)| fence));
                }
                Some((fence, _)) => fence.lines.push(piece),
                None => match fence_mark(trimmed) {
                    Some(mark) => {
                        let language = trimmed[mark.len()..].trim().to_string();
                        open = Some((
                            Fence {
                                language,
                                lines: Vec::new(),
                            },
                            mark,
                        ));
                    }
                    None => self.prose.push(piece),
                },
            }
        }
        self.fences.extend(open.map(|(fence, _)| fence));
    }
}

impl Fence {
    pub(crate) fn is_one_of(&self, languages: &[&str]) -> bool {
        languages.contains(&self.language.as_str())
    }
}

fn fence_mark(line: &str) -> Option<String> {
    let first = line
        .chars()
        .next()
        .filter(|first| matches!(first, '`' | '~'))?;
    let mark: String = line.chars().take_while(|letter| *letter == first).collect();
    (mark.len() >= 3).then_some(mark)
}

/// The spans of code, and the text with the spans blanked out. A span may run over a line end, not over a blank line.
fn spans(text: &str) -> (Vec<Piece>, String) {
    let mut found = Vec::new();
    let mut rest = String::new();
    let mut at = 0;
    while let Some(offset) = text[at..].find('`') {
        let open = at + offset;
        rest.push_str(&text[at..open]);
        let mark: String = text[open..]
            .chars()
            .take_while(|letter| *letter == '`')
            .collect();
        let inside = open + mark.len();
        let paragraph = text[inside..]
            .find("\n\n")
            .map_or(text.len(), |length| inside + length);
        match closing(&text[inside..paragraph], &mark) {
            Some(length) => {
                let line = text[..open].matches('\n').count() + 1;
                let span = &text[inside..inside + length];
                found.push(Piece {
                    line,
                    text: span.replace('\n', " ").trim().to_string(),
                });
                rest.extend(
                    span.chars()
                        .map(|letter| if letter == '\n' { '\n' } else { ' ' }),
                );
                at = inside + length + mark.len();
            }
            None => at = inside,
        }
    }
    rest.push_str(&text[at..]);
    (found, rest)
}

/// Where the first run of exactly as many backquotes begins.
fn closing(text: &str, mark: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(offset) = text[at..].find('`') {
        let open = at + offset;
        let length = text[open..]
            .chars()
            .take_while(|letter| *letter == '`')
            .count();
        if length == mark.len() {
            return Some(open);
        }
        at = open + length;
    }
    None
}

/// Inline links `[…](target)` and definitions `[label]: target`.
fn links(text: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut add = |target: &str| {
            let target = target
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .trim_matches(['<', '>']);
            if !target.is_empty() {
                found.push(Piece {
                    line: number + 1,
                    text: target.to_string(),
                });
            }
        };
        for (at, mark) in line.match_indices("](") {
            let target = &line[at + mark.len()..];
            add(&target[..target.find(')').unwrap_or(target.len())]);
        }
        if let Some((_, target)) = line
            .trim_start()
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
        {
            add(target);
        }
    }
    found
}

/// What links can point at: headings by the name that forges give them, and `id="…"` where a page sets one.
fn anchors(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in text.lines() {
        for (at, mark) in line.match_indices("id=\"") {
            names.extend(
                line[at + mark.len()..]
                    .split('"')
                    .next()
                    .map(ToString::to_string),
            );
        }
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let name = heading_name(heading.trim());
        let earlier = names.iter().filter(|other| is_repeat(other, &name)).count();
        names.push(if earlier == 0 {
            name
        } else {
            format!("{name}-{earlier}")
        });
    }
    names
}

fn heading_name(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn is_repeat(other: &str, name: &str) -> bool {
    let number = other
        .strip_prefix(name)
        .map(|rest| rest.strip_prefix('-').unwrap_or(rest));
    number.is_some_and(|number| number.chars().all(|letter| letter.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
