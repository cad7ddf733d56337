//! The smallest rectangle, turned by any angle, around the points of a region.

use std::cmp::Ordering;

/// A point: from the left, from the top.
pub(super) type Point = (f32, f32);

/// A rectangle that may be turned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rectangle {
    pub(super) centre: Point,
    /// The direction of its `length`, one long.
    pub(super) along: Point,
    pub(super) length: f32,
    /// Its extent across `along`.
    pub(super) breadth: f32,
}

impl Rectangle {
    /// The rectangle of the smallest area around `points`; `None` without points.
    ///
    /// One of its sides lies along a side of the convex hull (Freeman and Shapira, 1975).
    pub(super) fn around(points: Vec<Point>) -> Option<Rectangle> {
        let hull = convex_hull(points);
        let sides = hull.iter().zip(hull.iter().cycle().skip(1));
        let turned = sides.filter_map(|(from, to)| {
            let (x, y) = (to.0 - from.0, to.1 - from.1);
            let length = x.hypot(y);
            (length > 0.0).then(|| Rectangle::along(&hull, (x / length, y / length)))
        });
        let smallest = turned.min_by(|one, other| one.area().total_cmp(&other.area()));
        let upright = || (!hull.is_empty()).then(|| Rectangle::along(&hull, (1.0, 0.0)));
        smallest.or_else(upright)
    }

    /// The smallest one around `hull` whose sides have this direction.
    fn along(hull: &[Point], along: Point) -> Rectangle {
        let (x, y) = along;
        let (mut low, mut high) = ((f32::MAX, f32::MAX), (f32::MIN, f32::MIN));
        for point in hull {
            let (u, v) = (point.0 * x + point.1 * y, point.1 * x - point.0 * y);
            (low, high) = ((low.0.min(u), low.1.min(v)), (high.0.max(u), high.1.max(v)));
        }
        let (u, v) = (f32::midpoint(low.0, high.0), f32::midpoint(low.1, high.1));
        let centre = (u * x - v * y, u * y + v * x);
        Rectangle { centre, along, length: high.0 - low.0, breadth: high.1 - low.1 }
    }

    pub(super) fn area(&self) -> f32 {
        self.length * self.breadth
    }

    pub(super) fn short_side(&self) -> f32 {
        self.length.min(self.breadth)
    }

    /// Whether the point is inside, or not further outside than `margin`.
    pub(super) fn contains(&self, point: Point, margin: f32) -> bool {
        let (x, y) = (point.0 - self.centre.0, point.1 - self.centre.1);
        let (u, v) = (x * self.along.0 + y * self.along.1, y * self.along.0 - x * self.along.1);
        u.abs() <= self.length / 2.0 + margin && v.abs() <= self.breadth / 2.0 + margin
    }

    /// The corners, clockwise on the screen from the one at the top left. Of the two left ones that is the upper one.
    pub(super) fn corners(&self) -> [Point; 4] {
        let (x, y) = self.along;
        let at = |u: f32, v: f32| {
            let (u, v) = (u * self.length / 2.0, v * self.breadth / 2.0);
            (self.centre.0 + u * x - v * y, self.centre.1 + u * y + v * x)
        };
        let mut corners = [at(-1.0, -1.0), at(1.0, -1.0), at(1.0, 1.0), at(-1.0, 1.0)];
        corners.sort_by(|one, other| one.0.total_cmp(&other.0));
        let [left, other_left, right, other_right] = corners;
        let by_height = |one: Point, other: Point| if one.1 <= other.1 { (one, other) } else { (other, one) };
        let ((top_left, bottom_left), (top_right, bottom_right)) =
            (by_height(left, other_left), by_height(right, other_right));
        [top_left, top_right, bottom_right, bottom_left]
    }
}

/// The corners of the smallest convex shape around `points`, in order (Andrew's monotone chain, 1979).
fn convex_hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|one, other| compare(*one, *other));
    points.dedup_by(|one, other| compare(*one, *other) == Ordering::Equal);
    if points.len() < 3 {
        return points;
    }
    let mut hull = half_hull(points.iter().copied());
    hull.extend(half_hull(points.iter().rev().copied()));
    hull
}

fn compare(one: Point, other: Point) -> Ordering {
    one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1))
}

/// The hull's points on one side, without the last one.
fn half_hull(points: impl Iterator<Item = Point>) -> Vec<Point> {
    let mut hull: Vec<Point> = Vec::new();
    for point in points {
        while let [.., before, last] = hull.as_slice()
            && turn(*before, *last, point) <= 0.0
        {
            hull.pop();
        }
        hull.push(point);
    }
    hull.pop();
    hull
}

/// Positive if the way from `a` over `b` to `c` turns to one side, negative if it turns to the other.
fn turn(a: Point, b: Point, c: Point) -> f32 {
    (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(points: &[Point], expected: [Point; 4]) {
        let corners = Rectangle::around(points.to_vec()).unwrap().corners();
        let close = corners.iter().zip(&expected).all(|(corner, expected)| {
            (corner.0 - expected.0).abs() < 1e-3 && (corner.1 - expected.1).abs() < 1e-3
        });
        assert!(close, "{corners:?}, expected {expected:?}");
    }

    #[test]
    fn the_rectangle_fits_the_points() {
        let upright = [(1.0, 2.0), (5.0, 2.0), (5.0, 4.0), (1.0, 4.0)];
        check(&[(1.0, 2.0), (5.0, 4.0), (1.0, 4.0), (3.0, 3.0), (5.0, 2.0), (2.0, 2.0)], upright);
        // A square on its corner.
        check(
            &[(2.0, 0.0), (4.0, 2.0), (2.0, 4.0), (0.0, 2.0)],
            [(0.0, 2.0), (2.0, 0.0), (4.0, 2.0), (2.0, 4.0)],
        );
        check(&[(3.0, 3.0)], [(3.0, 3.0); 4]);
        check(&[(1.0, 1.0), (4.0, 1.0)], [(1.0, 1.0), (4.0, 1.0), (4.0, 1.0), (1.0, 1.0)]);
        assert_eq!(Rectangle::around(Vec::new()), None);
    }

    #[test]
    fn a_margin_counts_as_inside() {
        let small = Rectangle::around(vec![(0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (0.0, 2.0)]).unwrap();
        assert!(small.contains((4.4, 1.0), 0.5) && !small.contains((4.6, 1.0), 0.5));
        assert!((small.area(), small.short_side()) == (8.0, 2.0));
    }
}
