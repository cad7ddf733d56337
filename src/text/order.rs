//! The order in which a person reads the lines of a picture.

use super::detector::Corners;
use super::rectangle::Point;

/// Puts lines in reading order: from row to row downwards, and from left to right in each row. In a picture that is upside
/// down, the rows go upwards and to the left.
///
/// `corners` are those of a line, clockwise from the one above its first letter.
pub(super) fn in_reading_order<T>(mut lines: Vec<T>, corners: impl Fn(&T) -> Corners) -> Vec<T> {
    let letters = |line: &T| corners(line)[1].0 - corners(line)[0].0;
    let is_upside_down = lines.iter().map(letters).sum::<f32>() < 0.0;
    let turn = |(x, y): Point| if is_upside_down { (-x, -y) } else { (x, y) };
    let centre = |line: &T| {
        let corners = corners(line);
        turn((mean(corners.map(|corner| corner.0)), mean(corners.map(|corner| corner.1))))
    };
    let height = |line: &T| {
        let ys = corners(line).map(|corner| corner.1);
        ys.into_iter().fold(f32::MIN, f32::max) - ys.into_iter().fold(f32::MAX, f32::min)
    };
    lines.sort_by(|one, other| centre(one).1.total_cmp(&centre(other).1));
    let mut rows: Vec<Vec<T>> = Vec::new();
    for line in lines {
        let (y, half) = (centre(&line).1, height(&line) / 2.0);
        match rows.last_mut() {
            Some(row)
                if row.first().is_some_and(|first| y - centre(first).1 < half.min(height(first) / 2.0)) =>
            {
                row.push(line);
            }
            _ => rows.push(vec![line]),
        }
    }
    for row in &mut rows {
        row.sort_by(|one, other| centre(one).0.total_cmp(&centre(other).0));
    }
    rows.into_iter().flatten().collect()
}

fn mean(values: [f32; 4]) -> f32 {
    values.iter().sum::<f32>() / 4.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upright(x: f32, y: f32) -> Corners {
        [(x, y), (x + 80.0, y), (x + 80.0, y + 20.0), (x, y + 20.0)]
    }

    fn upside_down(x: f32, y: f32) -> Corners {
        let [a, b, c, d] = upright(x, y);
        [c, d, a, b]
    }

    #[track_caller]
    fn check(lines: Vec<Corners>, expected: &[usize]) {
        let numbered: Vec<_> = lines.into_iter().enumerate().collect();
        let order: Vec<_> =
            in_reading_order(numbered, |(_, corners)| *corners).into_iter().map(|(at, _)| at).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn rows_are_read_from_the_top_and_from_the_left() {
        check(vec![upright(0.0, 60.0), upright(200.0, 4.0), upright(0.0, 0.0)], &[2, 1, 0]);
        // The right end of a slanted row is as high as the start of the one before.
        check(
            vec![upright(200.0, 25.0), upright(0.0, 30.0), upright(0.0, 5.0), upright(200.0, 0.0)],
            &[2, 3, 1, 0],
        );
        check(vec![upside_down(0.0, 0.0), upside_down(200.0, 0.0), upside_down(0.0, 60.0)], &[2, 1, 0]);
        check(Vec::new(), &[]);
    }
}
