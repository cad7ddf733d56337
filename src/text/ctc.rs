//! From the recogniser's probabilities to a text: greedy decoding of CTC (Graves et al., 2006).

use ndarray::ArrayView2;

/// The characters that a recogniser knows.
pub(super) struct Characters(Vec<String>);

impl Characters {
    /// The characters of a dictionary, one on each line. In the recogniser's output a blank comes before them and a space
    /// behind them.
    pub(super) fn parse(dictionary: &str) -> Characters {
        let lines = dictionary.split('\n').map(|line| line.trim_end_matches('\r').to_owned());
        let mut characters = vec![String::new()];
        characters.extend(lines);
        if characters.last().is_some_and(String::is_empty) && characters.len() > 1 {
            characters.pop();
        }
        characters.push(" ".to_owned());
        Characters(characters)
    }

    /// How many there are, with blank and space.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The text in `probabilities` (`[steps, characters]`), and the mean probability of its characters. Without any
    /// characters the text is empty and that is 0.
    pub(super) fn decode(&self, probabilities: &ArrayView2<'_, f32>) -> (String, f32) {
        let (mut text, mut sum, mut count, mut before) = (String::new(), 0.0, 0.0, 0);
        for step in probabilities.outer_iter() {
            let (best, probability) = largest(step.as_standard_layout().as_slice().unwrap_or_default());
            if best != 0 && best != before {
                text.push_str(self.0.get(best).map_or("", String::as_str));
                sum += probability;
                count += 1.0;
            }
            before = best;
        }
        (text, if count > 0.0 { sum / count } else { 0.0 })
    }
}

/// The first of the largest values, and its place. There are thousands, so they are compared in lanes, several at a time.
fn largest(values: &[f32]) -> (usize, f32) {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut lanes = [f32::MIN; 16];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    let most = lanes.iter().chain(rest).copied().fold(f32::MIN, f32::max);
    (values.iter().position(|value| *value >= most).unwrap_or(0), most)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[track_caller]
    fn check(steps: &[(usize, f32)], text: &str, confidence: f32) {
        let characters = Characters::parse("a\nb\n ́");
        assert_eq!(characters.len(), 5);
        let mut probabilities = Array2::zeros((steps.len(), 5));
        for (step, (character, probability)) in steps.iter().enumerate() {
            probabilities[[step, *character]] = *probability;
        }
        let (found, sure) = characters.decode(&probabilities.view());
        assert_eq!(found, text);
        assert!((sure - confidence).abs() < 1e-6, "{sure}");
    }

    #[test]
    fn repeated_characters_count_once_unless_a_blank_is_between() {
        check(&[(1, 0.8), (1, 0.9), (2, 0.6)], "ab", 0.7);
        check(&[(1, 0.8), (0, 0.9), (1, 0.6)], "aa", 0.7);
        check(&[(1, 0.5), (4, 0.5), (2, 0.5)], "a b", 0.5);
        check(&[(0, 0.9), (0, 0.9)], "", 0.0);
        check(&[], "", 0.0);
    }

    #[test]
    fn the_first_of_the_largest_values_counts() {
        for length in [1, 15, 16, 17, 100] {
            for at in 0..length {
                let mut values = vec![0.25; length];
                values[at..].fill(0.5);
                assert_eq!(largest(&values), (at, 0.5), "{at} of {length}");
            }
        }
        assert_eq!(largest(&[]).0, 0);
        assert_eq!(largest(&[f32::NAN; 20]).0, 0);
    }

    #[test]
    fn a_dictionary_may_end_with_a_line_break() {
        assert_eq!(Characters::parse("a\r\nb\n").0, ["", "a", "b", " "]);
        assert_eq!(Characters::parse("").0, ["", " "]);
    }
}
