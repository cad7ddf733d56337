"""The pictures of the goldens: name -> a function that returns the picture and the words on it."""

from PIL import Image, ImageFilter

from text_pictures.drawing import chat, page, placed, receipt, scene, sign, textured

BOOK = """It was a quiet morning in the harbour. The fishing boats had
left long before sunrise, and only the gulls were still busy
around the empty nets. Anna walked along the quay with a cup
of coffee in her hand and looked for the blue door that her
grandmother had described so often in her letters. There were
many doors here, green, white and grey, but none was blue.
At the end of the street an old man was painting a window
frame. He nodded when she asked him, and pointed with his
brush to a house behind the chapel. Nobody had lived there,
he said, since the winter of 1963, when the ice had closed
the bay for eleven weeks.""".split("\n")
SETTINGS = ["Settings", "", "Wi-Fi", "Bluetooth and devices", "Mobile network", "Notifications", "Sound and vibration",
            "Display brightness", "Wallpaper", "Battery 87%", "Storage 41 GB free", "Location", "Passwords", "About phone"]
TERMINAL = ["$ cargo build --release", "   Compiling imgsearch v0.1.0", "warning: unused variable: `count`",
            "  --> src/main.rs:42:9", "error[E0308]: mismatched types", "   |", "17 |     let total: u32 = sum(items);",
            "   expected `u32`, found `usize`", "$ git status", "On branch main", "nothing to commit, working tree clean"]
SMALL = ["Invoice 2023-0417", "Customer number 88213 Delivery date 14 March 2023", "",
         "Pos Description                         Quantity    Price     Amount",
         "1   Garden chair, folding, oak          4           39.90     159.60",
         "2   Table cloth, linen, 140 x 220       1           24.50     24.50",
         "3   Candle holder, brass                2           17.25     34.50", "",
         "Subtotal 218.60   VAT 19% 41.53   Total 260.13 EUR", "Payable within 14 days without deduction",
         "Thank you for your order and see you again soon"] * 2
ITEMS = [("Vollkornbrot", "3,49"), ("Äpfel 1kg", "2,79"), ("Käse Gouda", "4,15"), ("Müsli", "2,99"), ("Öl 0,5l", "5,49")]


def turned(made, angle):
    picture, words = made
    return picture.rotate(angle, expand=True), words


def on_table(made, **how):
    picture, words = made
    return placed(picture, **how), words


def softened(made, radius):
    picture, words = made
    return picture.filter(ImageFilter.GaussianBlur(radius)), words


def whiteboard():
    lines = ["Roadmap Q3", "1. ship the beta", "2. ask ten users", "3. fix what hurts", "Deadline: Friday!"]
    return on_table(page((820, 560), lines, "script", 64, (50, 50), 1.5, (20, 60, 150), (244, 246, 247)), angle=3, lean=0.04)


def spine():
    """A text that runs down, as on the back of a book."""
    made, words = page((760, 90), ["A Short History of Lighthouses"], "serif", 40, (30, 20), paper=(130, 30, 40), ink=(240, 220, 170))
    return placed(made.rotate(-90, expand=True), ground=(90, 80, 70)), words


PICTURES = {
    "screen-settings.png": lambda: page((540, 1170), SETTINGS, "sans", 30, (36, 60), 2.4, paper=(248, 248, 250)),
    "screen-chat.png": lambda: chat(["Hi, are you at home?", "Not yet, the train is late", "Shall I cook something?\nThere is pasta left",
                                     "Yes please!\nBack at 19:45", "See you later"]),
    "screen-chat-dark.png": lambda: chat(["Did you book the hotel?", "Yes, Hotel Adria, room 214", "Breakfast included?", "From 7 to 10"], dark=True),
    "screen-terminal.png": lambda: page((960, 480), TERMINAL, "mono", 20, (20, 20), 1.8, (210, 220, 210), (20, 24, 28)),
    "screen-small.png": lambda: page((1280, 720), SMALL, "sans", 11, (40, 30), 2.4),
    "receipt.jpg": lambda: receipt("BÄCKEREI SCHÄFER", ITEMS, "18,91"),
    "receipt-leaning.jpg": lambda: receipt("MARKT AM TOR", ITEMS[::-1], "18,91", angle=4, lean=0.07),
    "sign-german.jpg": lambda: on_table(sign(["Straße des", "17. Juni"], (760, 320), (28, 70, 150), (250, 250, 250)), angle=-6, ground=(140, 160, 120)),
    "sign-french.jpg": lambda: on_table(sign(["Défense", "d'afficher"], (760, 320), (245, 240, 225), (150, 20, 30)), lean=0.08, ground=(170, 150, 130)),
    "sign-polish.jpg": lambda: on_table(sign(["Łódź Główna", "wyjście"], (760, 320), (250, 250, 250), (20, 20, 20)), ground=(110, 120, 130)),
    "whiteboard.jpg": whiteboard,
    "book-page.jpg": lambda: page((900, 640), BOOK, "serif", 25, (50, 40), 2.0, (50, 45, 40), (243, 236, 220)),
    "book-page-tilted.jpg": lambda: on_table(page((900, 640), BOOK, "serif", 25, (50, 40), 2.0), angle=12, margin=90),
    "book-spine.jpg": spine,
    "upside-down-label.jpg": lambda: turned(on_table(sign(["FRAGILE", "THIS SIDE UP"], (760, 320), (236, 200, 150), (30, 30, 30))), 180),
    "upside-down-page.jpg": lambda: turned(page((900, 640), BOOK[::-1], "serif", 25, (50, 40), 2.0), 180),
    "chinese-menu.jpg": lambda: page((640, 520), ["今日特价菜单", "宫保鸡丁 38元", "麻婆豆腐 22元", "酸辣汤 18元", "扬州炒饭 26元"], "cjk", 44, (50, 50), 1.8),
    "traditional-sign.jpg": lambda: on_table(sign(["臺北車站", "請排隊候車"], (700, 320), (20, 110, 80), (250, 250, 240), "cjk", 84), angle=5),
    "japanese-notice.jpg": lambda: page((760, 360), ["立入禁止", "ここに駐車しないでください", "管理事務所 電話 03-1234"], "cjk", 46, (40, 50), 1.9),
    "chinese-english.png": lambda: page((760, 320), ["Terminal 2 航站楼", "Boarding gate 登机口 B14", "Exit 出口"], "cjk", 42, (40, 50), 1.9),
    "ticket.jpg": lambda: on_table(page((720, 360), ["ADMIT ONE", "City Theatre, Row 12 Seat 7", "14 Nov 2024 20:00", "No. 004-88172-XK"], "mono", 34, (40, 40), 2.0, paper=(230, 214, 180)), angle=-9),
    "pale.jpg": lambda: page((760, 300), ["barely visible letters", "on a grey ground"], "sans", 40, (40, 60), 1.9, (176, 176, 176), (205, 205, 205)),
    "blurred.jpg": lambda: softened(page((760, 300), ["out of focus today", "please try again"], "bold", 44, (40, 60), 1.9), 2.5),
    "none-scene.jpg": lambda: (scene((900, 640), 5), []),
    "none-texture.jpg": lambda: (textured((640, 640), (120, 130, 90)), []),
    "none-plain.png": lambda: (Image.new("RGB", (400, 300), (200, 60, 60)), []),
}
