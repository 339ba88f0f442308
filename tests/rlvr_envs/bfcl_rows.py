"""Rows in BFCL's format, questions with their possible answers, written by hand."""

AREA = {
    "name": "geometry.area",
    "description": "The area of a rectangle.",
    "parameters": {
        "type": "dict",
        "properties": {
            "width": {"type": "integer", "description": "In metres."},
            "height": {"type": "float", "description": "In metres."},
            "unit": {"type": "string", "description": "Of the result."},
        },
        "required": ["width", "height"],
    },
}
BOOK = {
    "name": "book_table",
    "description": "Book a table.",
    "parameters": {
        "type": "dict",
        "properties": {
            "date": {"type": "string", "description": "The day."},
            "guests": {"type": "array", "items": {"type": "string"}, "description": "Their names."},
            "options": {"type": "dict", "properties": {}, "description": "Wishes."},
            "outside": {"type": "boolean", "description": "On the terrace."},
        },
        "required": ["date"],
    },
}
BFCL = [
    {
        "id": "simple_python_0",
        "question": [[{"role": "user", "content": "What is the area of a field of 3 by 2.5 metres?"}]],
        "function": [AREA],
        "ground_truth": [
            {"geometry.area": {"width": [3], "height": [2.5], "unit": ["m^2", "square metres", ""]}}
        ],
    },
    {
        "id": "parallel_multiple_0",
        "question": [
            [
                {"role": "system", "content": "Be quick."},
                {
                    "role": "user",
                    "content": "Areas of 1 by 2 and 2 by 2? And a table on 1 May for Ann and Bo, by the window.",
                },
            ]
        ],
        "function": [AREA, BOOK],
        "ground_truth": [
            {"geometry.area": {"width": [1, 2], "height": [2.0], "unit": [""]}},
            {"geometry.area": {"width": [1], "height": [2.0], "unit": [""]}},
            {
                "book_table": {
                    "date": ["1 May", "May 1"],
                    "guests": [["Ann", "Bo"]],
                    "options": [{"window": [True], "smoking": [False, ""]}, ""],
                    "outside": [False, ""],
                }
            },
        ],
    },
    {
        "id": "irrelevance_0",
        "question": [[{"role": "user", "content": "Who wrote Faust?"}]],
        "function": [AREA],
        "ground_truth": [],
    },
]
