//! The `--near` filter: a circle around a point.

use std::str::FromStr;

/// The default radius in kilometres: a town with its surroundings.
pub const DEFAULT_KM: f64 = 10.0;

/// Mean radius of the Earth in kilometres (IUGG). Treating it as a sphere is off by at most half a percent.
const EARTH_KM: f64 = 6_371.008_8;

/// Everything within some kilometres of a point, measured along the ground.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circle {
    /// Degrees north of the equator, −90 to 90.
    pub latitude: f64,
    /// Degrees east of Greenwich, −180 to 180.
    pub longitude: f64,
    /// The radius in kilometres, more than 0.
    pub km: f64,
}

/// A text that cannot be parsed as a circle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not LAT,LON or LAT,LON,KM: {detail}")]
pub struct CircleError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub detail: &'static str,
}

impl FromStr for Circle {
    type Err = CircleError;

    /// Parses `52.52,13.4` or `52.52,13.4,5`: degrees and kilometres.
    fn from_str(text: &str) -> Result<Circle, CircleError> {
        let refuse = |detail| CircleError { text: text.to_owned(), detail };
        let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
        let numbers = numbers.map_err(|_| refuse("these are not numbers"))?;
        let (latitude, longitude, km) = match numbers[..] {
            [latitude, longitude] => (latitude, longitude, DEFAULT_KM),
            [latitude, longitude, km] => (latitude, longitude, km),
            _ => return Err(refuse("write two or three numbers")),
        };
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return Err(refuse("latitudes go from −90 to 90, longitudes from −180 to 180"));
        }
        if !(km > 0.0 && km.is_finite()) {
            return Err(refuse("the kilometres must be more than 0"));
        }
        Ok(Circle { latitude, longitude, km })
    }
}

impl Circle {
    /// Whether a point (in degrees) is in the circle.
    pub fn contains(&self, latitude: f64, longitude: f64) -> bool {
        // Most photos are far away. Often the latitude alone rules them out, which is cheaper.
        let apart = (latitude - self.latitude).to_radians().abs() * EARTH_KM;
        apart <= self.km && self.km_to(latitude, longitude) <= self.km
    }

    /// The range of latitudes that the circle is in, and that of longitudes; `None` if it reaches a pole or the 180th
    /// meridian, so that the longitudes are no single range. Both are a little too wide.
    pub fn bounds(&self) -> ((f64, f64), Option<(f64, f64)>) {
        const SLACK: f64 = 1e-6;
        let angle = self.km / EARTH_KM;
        let across = angle.to_degrees() + SLACK;
        let (south, north) = (self.latitude - across, self.latitude + across);
        let reaches_pole = south <= -90.0 || north >= 90.0;
        // The meridians that touch the circle.
        let aside = (angle.sin() / self.latitude.to_radians().cos()).asin().to_degrees() + SLACK;
        let (west, east) = (self.longitude - aside, self.longitude + aside);
        let is_one_range = !reaches_pole && west >= -180.0 && east <= 180.0;
        ((south, north), is_one_range.then_some((west, east)))
    }

    /// The distance by the haversine formula, which stays precise for nearby points.
    fn km_to(&self, latitude: f64, longitude: f64) -> f64 {
        let (here, there) = (self.latitude.to_radians(), latitude.to_radians());
        let half = |a: f64| (a / 2.0).sin().powi(2);
        let across = half((longitude - self.longitude).to_radians());
        let chord = half(there - here) + here.cos() * there.cos() * across;
        2.0 * EARTH_KM * chord.min(1.0).sqrt().asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_read_or_refused() {
        #[track_caller]
        fn check(text: &str, expected: Result<(f64, f64, f64), &'static str>) {
            let expected = expected
                .map(|(latitude, longitude, km)| Circle { latitude, longitude, km })
                .map_err(|detail| CircleError { text: text.into(), detail });
            assert_eq!(text.parse(), expected);
        }
        check("52.52, 13.4", Ok((52.52, 13.4, DEFAULT_KM)));
        check("-33.86,151.2,0.5", Ok((-33.86, 151.2, 0.5)));
        check("Berlin", Err("these are not numbers"));
        check("1", Err("write two or three numbers"));
        check("91,0", Err("latitudes go from −90 to 90, longitudes from −180 to 180"));
        check("nan,0", Err("latitudes go from −90 to 90, longitudes from −180 to 180"));
        check("0,0,0", Err("the kilometres must be more than 0"));
        check("0,0,inf", Err("the kilometres must be more than 0"));
    }

    #[test]
    fn every_point_of_a_circle_is_within_its_bounds() {
        for (latitude, longitude, km) in [
            (52.5, 13.4, 30.0),
            (0.0, 0.0, 900.0),
            (-70.0, 10.0, 1500.0),
            (10.0, 179.9, 50.0),
            (89.9, 0.0, 50.0),
        ] {
            let circle = Circle { latitude, longitude, km };
            let ((south, north), range) = circle.bounds();
            let (mut inside, mut is_all_around) = (0, false);
            for (x, y) in (0..200).flat_map(|x| (0..200).map(move |y| (f64::from(x), f64::from(y)))) {
                let (there, aside) = (latitude - 20.0 + x / 5.0, longitude - 40.0 + y / 2.5);
                let aside = if aside > 180.0 { aside - 360.0 } else { aside };
                if (-90.0..=90.0).contains(&there) && circle.contains(there, aside) {
                    inside += 1;
                    assert!((south..=north).contains(&there), "{circle:?} {there}");
                    let is_within = range.is_none_or(|(west, east)| (west..=east).contains(&aside));
                    assert!(is_within, "{circle:?} {aside}");
                    is_all_around |= range.is_none();
                }
            }
            assert!(inside > 0, "{circle:?}");
            assert_eq!(is_all_around, latitude > 80.0 || longitude > 170.0, "{circle:?}");
        }
    }

    #[test]
    fn distances_are_those_of_the_map() {
        #[track_caller]
        fn check(from: (f64, f64), to: (f64, f64), expected_km: f64) {
            let circle = Circle { latitude: from.0, longitude: from.1, km: expected_km * 1.005 + 0.001 };
            assert!(circle.contains(to.0, to.1), "{}", circle.km_to(to.0, to.1));
            let smaller = Circle { km: expected_km * 0.995 - 0.001, ..circle };
            assert!(expected_km == 0.0 || !smaller.contains(to.0, to.1), "{}", circle.km_to(to.0, to.1));
        }
        check((52.52, 13.405), (48.8566, 2.3522), 878.0); // Berlin, Paris
        check((0.0, 0.0), (0.0, 1.0), 111.19);
        check((0.0, 179.5), (0.0, -179.5), 111.19); // across the date line
        check((90.0, 0.0), (89.0, 120.0), 111.19);
        check((10.0, 10.0), (-10.0, -170.0), 20_015.0); // the other side of the world
    }
}
