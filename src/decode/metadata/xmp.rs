//! Reads XMP: a packet of XML (RDF), in a file or in a sidecar.

use std::borrow::Cow;

use roxmltree::{Document, Node, ParsingOptions};

use super::blocks::LONGEST;
use super::{Collector, Metadata, Rank, clean, date, exif, place};
use crate::decode::text::utf_16;

/// The maximum number of elements in a packet. Editors that store a history write thousands.
const MOST_NODES: u32 = 100_000;
/// The maximum number of attributes per element and of namespace declarations per packet, because parsing time grows with the
/// square of their number. Editors write about a hundred attributes and a few dozen namespaces.
const MOST_ATTRIBUTES: usize = 512;
const MOST_NAMESPACES: usize = 512;

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const DC: &str = "http://purl.org/dc/elements/1.1/";
const XMP: &str = "http://ns.adobe.com/xap/1.0/";
const EXIF: &str = "http://ns.adobe.com/exif/1.0/";
const EXIF_EX: &str = "http://cipa.jp/exif/1.0/";
const AUX: &str = "http://ns.adobe.com/exif/1.0/aux/";
const TIFF: &str = "http://ns.adobe.com/tiff/1.0/";
const IPTC: &str = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
/// Regions of the Metadata Working Group, as digiKam, Lightroom, Picasa and Apple write them.
const REGIONS: &str = "http://www.metadataworkinggroup.com/schemas/regions/";
/// A region of Windows Photo Gallery, which digiKam writes, too.
const REGION: &str = "http://ns.microsoft.com/photo/1.2/t/Region#";
const PHOTOSHOP: &str = "http://ns.adobe.com/photoshop/1.0/";

/// Reads a packet. It is ignored if it is not well-formed or defines entities.
pub(super) fn read(packet: &[u8], found: &mut Collector) {
    if packet.len() as u64 > LONGEST {
        return;
    }
    let text = decoded(packet);
    let (Some(start), Some(end)) = (text.find('<'), text.rfind('>')) else { return };
    let Some(text) = text.get(start..=end).filter(|text| is_simple(text)) else { return };
    let options = ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    if let Ok(document) = Document::parse_with_options(text, options) {
        Packet::of(&document).read(found);
    }
}

/// Whether it can be parsed quickly.
fn is_simple(text: &str) -> bool {
    // A tag never contains `<`, but an attribute may contain `>`. Each attribute has a `=`.
    let mut tags = text.as_bytes().split(|byte| *byte == b'<');
    let namespaces = memchr::memmem::find_iter(text.as_bytes(), b"xmlns").count();
    namespaces <= MOST_NAMESPACES && tags.all(|tag| memchr::memchr_iter(b'=', tag).count() <= MOST_ATTRIBUTES)
}

fn decoded(packet: &[u8]) -> Cow<'_, str> {
    match packet {
        [0xFF, 0xFE, rest @ ..] => Cow::Owned(utf_16(rest, true)),
        [0xFE, 0xFF, rest @ ..] => Cow::Owned(utf_16(rest, false)),
        _ => String::from_utf8_lossy(packet),
    }
}

/// The descriptions of the picture itself, without those of its sources.
struct Packet<'a, 'input> {
    descriptions: Vec<Node<'a, 'input>>,
}

impl<'a, 'input> Packet<'a, 'input> {
    fn of(document: &'a Document<'input>) -> Packet<'a, 'input> {
        let root = document.descendants().find(|node| node.has_tag_name((RDF, "RDF")));
        let children = root.into_iter().flat_map(|root| root.children());
        Packet { descriptions: children.filter(|node| node.has_tag_name((RDF, "Description"))).collect() }
    }

    fn read(&self, found: &mut Collector) {
        let dates = [
            (Rank::Original, EXIF, "DateTimeOriginal"),
            (Rank::Original, PHOTOSHOP, "DateCreated"),
            (Rank::Digitized, XMP, "CreateDate"),
            (Rank::Digitized, EXIF, "DateTimeDigitized"),
            (Rank::Satellites, EXIF, "GPSTimeStamp"),
        ];
        for (rank, space, name) in dates {
            found.date(rank, self.first(space, name).and_then(date::parse));
        }
        let degrees = |name| self.first(EXIF, name).and_then(place::parse);
        if let (Some(latitude), Some(longitude)) = (degrees("GPSLatitude"), degrees("GPSLongitude")) {
            found.place(latitude, longitude);
        }
        let name = |space, name| clean(self.first(space, name)?, super::LONGEST_NAME);
        let Metadata { camera, lens, .. } = &mut found.metadata;
        *camera = camera.take().or_else(|| exif::camera(name(TIFF, "Make"), name(TIFF, "Model")));
        *lens = lens.take().or_else(|| name(EXIF_EX, "LensModel")).or_else(|| name(AUX, "Lens"));
        found.title(self.first(DC, "title"));
        found.description(self.first(DC, "description"));
        found.keywords(self.values(DC, "subject").into_iter());
        found.people(self.people());
    }

    /// The names of faces in the picture, and of the people in IPTC's list.
    fn people(&self) -> impl Iterator<Item = &'a str> {
        let nodes = self.descriptions.iter().flat_map(|description| description.descendants());
        let faces = nodes.flat_map(|node| {
            let of_face = single(node, REGIONS, "Type").is_none_or(|kind| kind == "Face");
            [single(node, REGIONS, "Name").filter(|_| of_face), single(node, REGION, "PersonDisplayName")]
        });
        faces.flatten().chain(self.values(IPTC, "PersonInImage"))
    }

    fn first(&self, space: &str, name: &str) -> Option<&'a str> {
        self.values(space, name).into_iter().next()
    }

    /// The values of a property: one for an attribute, one or more for an element.
    fn values(&self, space: &str, name: &str) -> Vec<&'a str> {
        let of = |description: &Node<'a, 'input>| {
            if let Some(value) = description.attribute((space, name)) {
                return vec![value];
            }
            let property = description.children().find(|node| node.has_tag_name((space, name)));
            property.map_or_else(Vec::new, values_of)
        };
        self.descriptions.iter().map(of).find(|values| !values.is_empty()).unwrap_or_default()
    }
}

/// The value of a property that is an attribute or an element.
fn single<'a>(node: Node<'a, '_>, space: &str, name: &str) -> Option<&'a str> {
    let element = || node.children().find(|child| child.has_tag_name((space, name)))?.text();
    node.attribute((space, name)).or_else(element)
}

/// The texts of a list, or a single text. For alternatives in several languages, the default comes first.
fn values_of<'a>(property: Node<'a, '_>) -> Vec<&'a str> {
    const LANGUAGE: (&str, &str) = ("http://www.w3.org/XML/1998/namespace", "lang");
    let mut items: Vec<_> = property.descendants().filter(|node| node.has_tag_name((RDF, "li"))).collect();
    items.sort_by_key(|item| item.attribute(LANGUAGE).is_some_and(|language| language != "x-default"));
    let texts = if items.is_empty() { vec![property] } else { items };
    texts.into_iter().filter_map(|node| node.text()).filter(|text| !text.trim().is_empty()).collect()
}
