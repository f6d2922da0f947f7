"""`python -m bot …` is `anr …`."""

from bot.cli import main

if __name__ == "__main__":
    main()
