from convert.reports.html import table


def test_text_in_a_table_is_escaped():
    assert "<script>" not in table("<script>", ["<script>"], [["<script>", "<script>"]], ["few"])
